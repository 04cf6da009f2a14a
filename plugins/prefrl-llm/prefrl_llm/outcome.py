"""A taught policy and its reference in, what the teaching came to as a section of the run's report out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch

from prefrl.specs import RunContext
from prefrl.types import Array, Preference, Query, Tiers
from prefrl_llm.options import HeldOutOptions

FIRST_SEED = 50_000  # of held-out starts
AT_ONCE = 20  # environments stepped together


@dataclass(frozen=True, slots=True)
class Played:
    """Whole episodes of one policy, in the order of the seeds."""

    returns: Array  # (N,)
    success: Array  # (N,) NaN where the task says nothing of it
    actions: tuple[tuple[int, ...], ...]


class Outcome:
    """Counts what was asked; at the end the policy plays against its reference."""

    def __init__(self, context: RunContext, reference: Any, held_out: HeldOutOptions) -> None:
        self._context, self._reference, self._held_out = context, reference, held_out
        self._asked: dict[str, Query] = {}
        self._answers: list[Preference] = []

    def add(self, queries: Sequence[Query], answers: Sequence[Preference]) -> None:
        """One round."""
        self._asked |= {query.id: query for query in queries}
        self._answers += answers

    def write(self, policy: Any) -> None:
        """`sections/same_start.json` for the report and `outcome.json` for programs."""
        env = self._context.settings.env
        told = {
            "questions": len(self._asked),
            "answered": sum(answer.answer is not None for answer in self._answers),
            "decisions_compared": sum(len(item) for query in self._asked.values() for item in query.items),
            "displacement": self._displacement(),
            "training_starts": self._against(policy, env.kwargs),
            "held_out": self._against(policy, merged(env.kwargs, self._held_out.kwargs)),
        }
        folder = self._context.folder
        (folder / "outcome.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        (folder / "sections").mkdir(exist_ok=True)
        (folder / "sections" / "same_start.json").write_text(json.dumps(section(told), indent=1), encoding="utf-8")

    def _against(self, policy: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Policy and reference from the same starts, both without chance."""
        seeds = range(FIRST_SEED, FIRST_SEED + self._held_out.episodes)
        env = self._context.settings.env.id
        ours, theirs = (play(one, env, kwargs, seeds) for one in (policy, self._reference))
        sampled = play(self._reference, env, kwargs, seeds, deterministic=False)
        return {
            "episodes": len(seeds),
            **{f"{name}_return": float(each.returns.mean()) for name, each in _named(ours, theirs, sampled)},
            **{f"{name}_success": _mean(each.success) for name, each in _named(ours, theirs, sampled)},
            "win_rate": win_rate(ours.returns, theirs.returns),
            "win_rate_over_sampled": win_rate(ours.returns, sampled.returns),
        }

    def _displacement(self) -> dict[str, float]:
        """By how much log-probabilities of preferred and of other clips changed since the reference.

        Both falling is the known side effect of learning from preferences alone (Razin et al. 2024, arXiv 2410.08847).
        """
        chosen, rejected = [], []
        for answer in self._answers:
            if isinstance(answer.answer, Tiers) and len(answer.answer.tiers) > 1:
                items = self._asked[answer.query_id].items
                chosen += [items[i] for i in answer.answer.tiers[0]]
                rejected += [items[i] for i in answer.answer.tiers[-1]]
        return {name: self._log_ratio(items) for name, items in (("chosen", chosen), ("rejected", rejected))}

    @torch.no_grad()
    def _log_ratio(self, items: Sequence[Any]) -> float:
        """Mean change of the items' log-probabilities; NaN of none."""
        if not items:
            return math.nan
        batch = self._context.reward.collate(items)
        lengths = batch.lengths.unsqueeze(1)
        offsets = torch.arange(int(lengths.max()), device=lengths.device).view(1, 1, -1)
        steps = torch.where(offsets < lengths.unsqueeze(-1), offsets, -1)
        (scorer,) = self._context.reward.scorers()
        rows = torch.arange(len(items), device=lengths.device).unsqueeze(1)
        scores = scorer.score(batch, rows, steps, torch.ones(rows.shape, device=lengths.device))
        return float((scores.s - scores.aux["ref_logp"]).mean())


def play(
    policy: Any, env_id: str, kwargs: Mapping[str, Any], seeds: Sequence[int], deterministic: bool = True
) -> Played:
    """One episode per seed, on environments of one's own."""
    envs = [gymnasium.make(env_id, **kwargs) for _ in range(min(AT_ONCE, len(seeds)))]
    returns, success, actions = np.zeros(len(seeds)), np.full(len(seeds), np.nan), [[] for _ in seeds]
    try:
        for first in range(0, len(seeds), AT_ONCE):
            running = list(range(first, min(first + AT_ONCE, len(seeds))))
            obs = {i: envs[i - first].reset(seed=seeds[i])[0] for i in running}
            while running:
                chosen = policy.act(np.stack([obs[i] for i in running]), deterministic=deterministic)
                for i, action in zip(list(running), chosen, strict=True):
                    obs[i], reward, terminated, truncated, info = envs[i - first].step(action)
                    returns[i] += float(reward)
                    actions[i].append(int(action))
                    success[i] = float(info.get("success", np.nan))
                    if terminated or truncated:
                        running.remove(i)
    finally:
        for env in envs:
            env.close()
    return Played(returns, success, tuple(map(tuple, actions)))


def win_rate(ours: Array, theirs: Array) -> dict[str, float]:
    """Share of starts with the higher return, a tie counting one half; its 95 % interval by Wilson's formula."""
    n, z = len(ours), 1.96
    share = float(((ours > theirs) + 0.5 * (ours == theirs)).mean())
    middle, spread = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * spread) / (1 + z * z / n) for sign in (-1, 1))
    return {"share": share, "low": low, "high": high, "ties": float((ours == theirs).mean())}


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings deep, `other` wins."""
    both = dict(one)
    for key, value in other.items():
        deep = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = merged(both[key], value) if deep else value
    return both


def section(told: Mapping[str, Any]) -> dict[str, Any]:
    """As the report shows it."""
    moved = told["displacement"]
    rows = []
    for name in ("training_starts", "held_out"):
        one = told[name]
        for who in ("policy", "reference", "sampled"):
            won = {"reference": one["win_rate"], "sampled": one["win_rate_over_sampled"]}.get(who)
            against = f"{won['share']:.2f} ({won['low']:.2f} to {won['high']:.2f})" if won else ""
            title = {"policy": "taught", "reference": "reference, likeliest action", "sampled": "reference, drawn"}[who]
            rows.append(
                [name.replace("_", " "), title, f"{one[f'{who}_return']:.1f}", f"{one[f'{who}_success']:.2f}", against]
            )
    return {
        "title": "Taught by comparing attempts from one start",
        "text": (
            f"{told['answered']} answers to {told['questions']} questions. Since the reference, the log-probability of "
            f"preferred clips changed by {moved['chosen']:+.2f}, that of the others by {moved['rejected']:+.2f}; if both "
            "fall, likelihood is displaced to what was never compared."
        ),
        "header": ["starts", "policy", "mean return", "success", "lost to the taught one (95 % interval)"],
        "rows": rows,
    }


def _named(*played: Played) -> Sequence[tuple[str, Played]]:
    return list(zip(("policy", "reference", "sampled"), played, strict=True))


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else math.nan
