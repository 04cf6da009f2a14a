"""Answers of users who want different things in, a reward for each of them out, and for somebody new after a few answers.

Variational preference learning (Poddar et al. 2024, arXiv 2408.10075): a user is a point z of a latent space, found from
his own answers by an encoder; the reward is a network of observation, action and z. Both are fitted to all answers, with the
divergence of each q(z | answers) from a standard normal as a term of the loss (`vae_kl`).

Unlike the paper's encoder, which takes a fixed number of answers in a fixed order, this one takes any number in any order:
each answer is a Gaussian opinion about z, and q is their product with the prior (after the neural processes' sum; without an
answer it is the prior itself). What it reads of a clip is the mean and the last of its steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from prefrl.errors import ConfigError, choices
from prefrl.losses import Kind, Labels, Scores
from prefrl.rewards.batch import SegmentBatch, collate_segments, episode_inputs, input_size
from prefrl.rewards.ensemble import CHUNK, perceptron
from prefrl.rewards.options import UsersOptions
from prefrl.types import Array, Channels, Episode, Item, Preference, Query, Tiers

if TYPE_CHECKING:
    from prefrl.specs import BuildContext


@dataclass(frozen=True, slots=True, eq=False)
class UserBatch(SegmentBatch):
    """Clips, what each of U users said of them, and whose preference each of B queries is about to be scored as."""

    better: Tensor  # (U, M) int: the preferred clip of each answer that may be learned from, -1 none
    worse: Tensor  # (U, M) int
    user: Tensor | None = None  # (B,) int

    def told_by(self, user: Tensor) -> UserBatch:
        """The same for queries of these users (B,)."""
        return replace(self, user=user)

    def summaries(self) -> Tensor:
        """(N, 2 D) mean and last of each clip's steps."""
        rows = torch.arange(len(self.inputs), device=self.inputs.device)
        mean = (self.inputs * self.mask.unsqueeze(-1)).sum(1) / self.lengths.unsqueeze(-1)
        return torch.cat([mean, self.inputs[rows, self.lengths - 1]], 1)


class UserMember(nn.Module):
    """Encoder of users and network of rewards; a `Scorer` of clips as the user sees them who answered."""

    mean: Tensor
    std: Tensor

    def __init__(self, size: int, options: UsersOptions, generator: torch.Generator) -> None:
        super().__init__()
        self.options, self.generator = options, generator
        self.encoder = perceptron([4 * size, *options.encoder], options.activation, generator, 2 * options.latent)
        self.net = perceptron([size + options.latent, *options.hidden], options.activation, generator)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))

    def forward(self, inputs: Tensor, latent: Tensor) -> Tensor:
        """Reward (...) of steps (..., D) to users (..., Z)."""
        out: Tensor = self.net(torch.cat([self._normal(inputs), latent], -1))
        return out.squeeze(-1)

    def _normal(self, inputs: Tensor) -> Tensor:
        return ((inputs - self.mean) / self.std).clamp(-10, 10)

    def posterior(self, summaries: Tensor, better: Tensor, worse: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (U, Z) of q(z | answers): clips' summaries (N, 2 D), answers (U, M) of rows, -1 none."""
        there = (better >= 0).unsqueeze(-1)
        halves = summaries.view(len(summaries), 2, -1)
        seen = self._normal(halves).flatten(1)
        pairs = torch.cat([seen[better.clamp(min=0)], seen[worse.clamp(min=0)]], -1)
        opinion, precision = self.encoder(pairs).chunk(2, -1)
        precision = softplus(precision) * there
        total = 1 + precision.sum(1)
        return (precision * opinion).sum(1) / total, -total.log()

    def score(self, batch: UserBatch, index: Tensor, steps: Tensor, scale: Tensor) -> Scores:
        assert batch.user is not None, "the trainer says whose answers these are"
        users, place = torch.unique(batch.user, return_inverse=True)
        better, worse = batch.better[users], batch.worse[users]
        learning = torch.is_grad_enabled()  # else everything a user said counts, and nothing is drawn
        if learning:
            chosen = self._some(better)
            better, worse = better.gather(1, chosen), worse.gather(1, chosen)
        mu, logvar = self.posterior(batch.summaries(), better, worse)
        noise = torch.randn(mu.shape, generator=self.generator).to(mu) if learning else torch.zeros_like(mu)
        latent = (mu + (logvar / 2).exp() * noise)[place]
        inputs, mask = batch.at(index, steps)
        rewards = self(inputs, latent[:, None, None].expand(*inputs.shape[:-1], -1))
        step = rewards * mask * scale.unsqueeze(-1)
        aux = {"times": steps, "latent_mu": mu, "latent_logvar": logvar}
        return Scores(s=step.sum(-1), mask=index >= 0, step=step, step_mask=mask, aux=aux)

    def _some(self, given: Tensor) -> Tensor:
        """(U, C) columns of at most `context` answers of each user, as many as a draw says, so that few will do as well."""
        most = min(self.options.context, given.shape[1])
        n = int(torch.randint(1, most + 1, (), generator=self.generator)) if most else 0
        order = torch.rand(given.shape, generator=self.generator).to(given.device).masked_fill(given < 0, 2.0)
        return order.argsort(1)[:, :n]


class UserReward:
    """One network for all users. Channel "reward": for `group`, or for the user whose latent the observation ends with."""

    markov = True

    def __init__(self, options: UsersOptions, context: BuildContext) -> None:
        self._options, self._env, self._device = options, context.env, torch.device(context.device)
        if len(context.env.obs_shape) != 1:
            raise ConfigError(
                f"{context.name}.model: users needs observations in one row, and those of {context.env.id} have shape "
                f"{context.env.obs_shape}; take ensemble."
            )
        if context.env.user not in (0, options.latent):
            raise ConfigError(
                f"env.user: is {context.env.user}, and {context.name}.latent is {options.latent}; they must be the same for "
                f"policies to know whom they serve (env.user: 0 keeps it from them)."
            )
        self.version = 0
        self._seed = int(context.rng("weights").integers(2**62))
        self._recent: Tensor | None = None
        self._told: tuple[Sequence[str], UserBatch] | None = None
        self._resets = 0
        self.latents: dict[str, Array] = {}  # (Z,) of everybody who answered, as of the last fit
        self._columns = self._read_columns()
        self.reset()
        self._scale = 1.0

    def _read_columns(self) -> Tensor:
        """Of recorded inputs: all but the latent of the user, which follows the task's own observation."""
        size, base = input_size(self._env), self._env.obs_shape[0] - self._env.user
        return torch.tensor([*range(base), *range(base + self._env.user, size)])

    def reset(self) -> None:
        """Fresh weights; input statistics are kept."""
        generator = torch.Generator().manual_seed(self._seed + self._resets)
        old = getattr(self, "member", None)
        self._resets += 1
        self.member = UserMember(len(self._columns), self._options, generator).to(self._device)
        if old is not None:
            self.member.mean, self.member.std = old.mean, old.std

    def scorers(self) -> Sequence[UserMember]:
        return (self.member,)

    # --- whose answers ---

    def collate(self, items: Sequence[Item]) -> UserBatch:
        made = collate_segments(items, self._env, self._device)
        nobody = torch.full((0, 0), -1, device=self._device)
        return UserBatch(made.inputs[..., self._columns], made.mask, made.lengths, nobody, nobody)

    def told(
        self, batch: UserBatch, users: Sequence[str], answers: Sequence[tuple[Labels, Tensor, Tensor]]
    ) -> UserBatch:
        """`batch` with what each of `users` said: per kind of answer the labels, items (B, 2) and what is held out (B,)."""
        said: list[list[tuple[int, int]]] = [[] for _ in users]
        for labels, index, held_out in answers:
            if labels.kind is not Kind.PAIR or labels.pref is None or labels.group is None:
                raise ConfigError(
                    f"reward.model: users is fitted to answers about pairs, and these are of kind '{labels.kind}'; ask about "
                    f"two clips (feedback.items: 2)."
                )
            counted = (labels.weights(labels.pref) > 0) & (labels.pref != 0.5) & ~held_out.to(index.device)
            for row in torch.nonzero(counted).squeeze(-1).tolist():
                first, second = index[row].tolist()
                pair = (first, second) if labels.pref[row] > 0.5 else (second, first)
                said[int(labels.group[row])].append(pair)
        better, worse = _padded(said, self._device)
        heard = replace(batch, better=better, worse=worse)
        self._told = users, heard
        return heard

    @torch.no_grad()
    def latent(self, answers: Sequence[tuple[Query, Preference]]) -> Array:
        """(Z,) somebody, from a few answers about pairs of clips; the prior's mean, zero, without any."""
        items = [item for query, _ in answers for item in query.items]
        said = [_ordered(answer, 2 * i) for i, (_, answer) in enumerate(answers)]
        if not items:
            return np.zeros(self._options.latent)
        better, worse = _padded([[pair for pair in said if pair is not None]], self._device)
        mu, _ = self.member.posterior(self.collate(items).summaries(), better, worse)
        return np.asarray(mu[0].cpu().numpy(), float)

    @torch.no_grad()
    def fitted(self) -> None:
        self.version += 1
        if self._told is not None:
            names, batch = self._told
            mu, _ = self.member.posterior(batch.summaries(), batch.better, batch.worse)
            self.latents = {name: np.asarray(z.cpu().numpy(), float) for name, z in zip(names, mu, strict=True)}
        if self._recent is not None and self.latents:
            each = [self._raw(self._recent, torch.tensor(z)) for z in list(self.latents.values())[:16]]
            self._scale = max(float(torch.stack([one.std(correction=0) for one in each]).mean()), 1e-6)

    # --- what it is worth to whom ---

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Keep the inputs of recent steps; they set the input statistics and, after a fit, the output scale."""
        if not episodes:
            return
        self._recent = episode_inputs(episodes, self._env).to(self._device)[:, self._columns]
        std, mean = torch.std_mean(self._recent, dim=0, correction=0)
        self.member.mean, self.member.std = mean, std.clamp(min=1e-3)

    def rewards(self, episodes: Sequence[Episode], group: str | None = None) -> Channels:
        rows = episode_inputs(episodes, self._env).to(self._device)
        return {"reward": (self._raw(rows[:, self._columns], self._whose(rows, group)) / self._scale).cpu().numpy()}

    def returns(self, items: Sequence[Item], group: str | None = None) -> Array:
        made = collate_segments(items, self._env, self._device)
        rows = made.inputs.flatten(0, 1)
        steps = self._raw(rows[:, self._columns], self._whose(rows, group)).view(made.mask.shape)
        return np.asarray((steps * made.mask).sum(1).cpu().numpy())[None]

    def _whose(self, rows: Tensor, group: str | None) -> Tensor:
        """(Z,) or (N, Z) whom the steps (N, D) are to be rewarded for."""
        if group is not None:
            if group not in self.latents:
                raise ConfigError(f"reward: nobody called '{group}' has answered. {choices(group, self.latents)}")
            return torch.tensor(self.latents[group])
        if self._env.user:
            base = self._env.obs_shape[0] - self._env.user
            return rows[:, base : base + self._env.user]
        return torch.zeros(self._options.latent)

    @torch.no_grad()
    def _raw(self, inputs: Tensor, latent: Tensor) -> Tensor:
        """(N,) unscaled rewards, in chunks."""
        whose = latent.to(inputs).expand(len(inputs), -1)
        parts = zip(torch.split(inputs, CHUNK), torch.split(whose, CHUNK), strict=True)
        return torch.cat([self.member(rows, z) for rows, z in parts])

    def state_dict(self) -> Mapping[str, Any]:
        return {
            "version": self.version,
            "resets": self._resets,
            "member": self.member.state_dict(),
            "generator": self.member.generator.get_state(),
            "latents": {name: torch.tensor(z) for name, z in self.latents.items()},
            "scale": self._scale,
            "recent": self._recent,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.version, self._resets, self._scale = state["version"], state["resets"], state["scale"]
        self.member.load_state_dict(state["member"])
        self.member.generator.set_state(state["generator"])
        self.latents = {name: np.asarray(z) for name, z in state["latents"].items()}
        self._recent = None if state["recent"] is None else state["recent"].to(self._device)


def _padded(said: Sequence[Sequence[tuple[int, int]]], device: torch.device) -> tuple[Tensor, Tensor]:
    """(U, M) better and worse of each user's answers, -1 where one said less than the most."""
    most = max((len(pairs) for pairs in said), default=0)
    made = torch.full((2, len(said), most), -1, device=device)
    for user, pairs in enumerate(said):
        if pairs:
            made[:, user, : len(pairs)] = torch.tensor(pairs, device=device).T
    return made[0], made[1]


def _ordered(answer: Preference, first: int) -> tuple[int, int] | None:
    """Rows of the better and the worse of two clips that stand at `first` and after it; None for a tie or a skip."""
    if not isinstance(answer.answer, Tiers) or len(answer.answer.tiers) != 2:
        return None
    (best,), _ = answer.answer.tiers
    return first + best, first + 1 - best
