"""What a reward model promises, one function per promise; each takes the spec and the options it is tried with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prefrl.checkpoints import newest, write
from prefrl.specs import PolicyTrained, RewardModelSpec
from prefrl.testing.examples import PRIVILEGED, build_context, episodes, seen_by_model, segments
from prefrl.testing.promises import NotTried, built, chosen, each
from prefrl.types import Episode

Given = Mapping[str, Any] | None
STEPS = 30  # of an example episode


def attempts(spec: RewardModelSpec, options: Given) -> list[tuple[str, Callable[..., None], Any]]:
    """All of them."""
    return each(PROMISES, spec, options)


def _model(spec: RewardModelSpec, options: Given) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        model = built(spec, options, build_context(Path(folder)))
    if isinstance(model, PolicyTrained):
        raise NotTried("it scores by a policy, which a run gives it")
    return model


def _episodes(spec: RewardModelSpec, options: Given) -> list[Episode]:
    return seen_by_model(episodes(3, STEPS), spec.needs_of(chosen(spec, options)))


def _clips(spec: RewardModelSpec, options: Given) -> list[Any]:
    from prefrl.sources.guard import hidden

    needs = spec.needs_of(chosen(spec, options))
    return [hidden(clip, needs, PRIVILEGED) for clip in segments(6)]


def _fitted(spec: RewardModelSpec, options: Given) -> Any:
    model = _model(spec, options)
    model.observe(_episodes(spec, options))
    if spec.trained:
        model.fitted()
    return model


def rewards_every_step(spec: RewardModelSpec, options: Given) -> None:
    """`rewards` gives a finite "reward" for each step of the episodes, one after the other; so do all its channels.

    Mend: return `{"reward": array}` of shape (N,), N the steps of all episodes together; observations have one row more.
    """
    for given in (_episodes(spec, options), _episodes(spec, options)[:1]):
        channels = _fitted(spec, options).rewards(given)
        assert "reward" in channels, f"no channel 'reward' among {', '.join(channels) or 'none'}"
        for name, values in channels.items():
            assert np.shape(values) == (STEPS * len(given),), f"channel '{name}' has shape {np.shape(values)}"
            assert np.isfinite(np.asarray(values)).all(), f"channel '{name}' is not finite"


def returns_one_number_per_clip_and_member(spec: RewardModelSpec, options: Given) -> None:
    """`returns` is a finite (members, clips) array, and a clip's return does not depend on what it is judged with.

    Mend: sum each clip's own steps; what pads a batch counts nothing.
    """
    model, clips = _fitted(spec, options), _clips(spec, options)
    found = np.asarray(model.returns(clips))
    assert found.ndim == 2, f"its shape is {found.shape}"
    assert found.shape[1] == len(clips), f"its shape is {found.shape} for {len(clips)} clips"
    assert np.isfinite(found).all(), "it is not finite"
    alone = np.concatenate([np.asarray(model.returns([clip])) for clip in clips], axis=1)
    assert np.allclose(found, alone, rtol=1e-4, atol=1e-5), "judged alone, clips have other returns"


def tells_chunks_as_it_tells_episodes_if_markov(spec: RewardModelSpec, options: Given) -> None:
    """A model that says `markov` rewards a chunk of an episode as it rewards those steps within the whole.

    Mend: set `markov = False` if a reward depends on what came before.
    """
    model = _fitted(spec, options)
    if not model.markov:
        return
    (whole,) = _episodes(spec, options)[:1]
    half = STEPS // 2
    parts = [_cut(whole, 0, half), _cut(whole, half, STEPS)]
    pieces = np.concatenate([np.asarray(model.rewards([part])["reward"]) for part in parts])
    assert np.allclose(pieces, model.rewards([whole])["reward"], rtol=1e-4, atol=1e-5), "the two halves differ from it"


def _cut(episode: Episode, start: int, stop: int) -> Episode:
    def part(array: Any) -> Any:
        return None if array is None else array[start:stop]

    return Episode(
        episode.id, episode.obs[start : stop + 1], part(episode.action), part(episode.true_reward),
        part(episode.policy_action), part(episode.log_prob), {n: part(a) for n, a in episode.cost.items()},
        {n: part(a) for n, a in episode.factors.items()}, env_id=episode.env_id,
    )  # fmt: skip


def is_the_same_under_the_same_seed(spec: RewardModelSpec, options: Given) -> None:
    """Built twice with the same seed, it rewards alike.

    Mend: draw weights from `context.rng(...)`, not from torch's global generator.
    """
    given = _episodes(spec, options)
    first, second = (np.asarray(_fitted(spec, options).rewards(given)["reward"]) for _ in range(2))
    assert (first == second).all(), "two models of the same seed differ"


def comes_back_from_its_state(spec: RewardModelSpec, options: Given) -> None:
    """What `state_dict` gives can be written to disk, and a fresh model that loads it rewards as the old one, bit for bit.

    Mend: put into `state_dict` all that `rewards`, `returns` and `version` depend on, as numbers, arrays and tensors.
    """
    model, given = _fitted(spec, options), _episodes(spec, options)
    fresh = _model(spec, options)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), 0, {"model": model.state_dict()}, keep=1)
        state = newest(Path(folder))
    assert state is not None, "its state cannot be read back"
    fresh.load_state_dict(state["model"])
    assert fresh.version == model.version, f"version {fresh.version} instead of {model.version}"
    old, new = (np.asarray(one.rewards(given)["reward"]) for one in (model, fresh))
    assert (old == new).all(), "it rewards otherwise"


def counts_its_fits(spec: RewardModelSpec, options: Given) -> None:
    """`fitted` raises `version` by one; before the first fit it is 0. One that is not trained has no scorers.

    Mend: begin with `version = 0` and add one in `fitted`; set `trained=False` in the spec of one that nothing changes.
    """
    model = _model(spec, options)
    if not spec.trained:
        assert not list(model.scorers()), "it has scorers to fit, and its spec says trained=False"
        return
    assert model.version == 0, f"a fresh model is of version {model.version}"
    model.observe(_episodes(spec, options))
    model.fitted()
    assert model.version == 1, f"after one fit it is of version {model.version}"


def can_be_fitted(spec: RewardModelSpec, options: Given) -> None:
    """Each scorer scores chosen steps of chosen clips with a gradient for its parameters; items of -1 do not exist.

    Mend: compute `score` with torch from `parameters()`, without `no_grad`, and return `Scores` whose mask is `index >= 0`.
    """
    model = _model(spec, options)
    if not spec.trained:
        return
    model.observe(_episodes(spec, options))
    batch = model.collate(_clips(spec, options))
    assert batch.mask.shape[0] == 6, f"`collate` of 6 clips has a mask of shape {tuple(batch.mask.shape)}"
    assert batch.lengths.shape == (6,), f"`collate` of 6 clips has lengths of shape {tuple(batch.lengths.shape)}"
    index = torch.tensor([[0, 1], [2, 3], [4, -1]])
    steps = torch.arange(int(batch.lengths.min())).expand(3, 2, -1)
    assert list(model.scorers()), "it has no scorers, and its spec says it is trained"
    for scorer in model.scorers():
        scores = scorer.score(batch, index, steps, torch.ones(3, 2))
        assert scores.s.shape == (3, 2), f"scores of shape {tuple(scores.s.shape)} for 3 questions of 2 clips"
        assert bool((scores.mask == (index >= 0)).all()), "the mask does not say which items exist"
        parameters = [p for p in scorer.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(scores.s[scores.mask].sum(), parameters, allow_unused=True)
        assert any(g is not None and bool(g.abs().sum() > 0) for g in gradients), "no parameter has a gradient"


def leaves_what_is_recorded_alone(spec: RewardModelSpec, options: Given) -> None:
    """It changes nothing in the episodes and clips it reads.

    Mend: copy an array before changing it.
    """
    given, clips = _episodes(spec, options), _clips(spec, options)
    before = [np.array(one.obs) for one in (*given, *clips)]
    model = _fitted(spec, options)
    model.rewards(given)
    model.returns(clips)
    assert all((old == new.obs).all() for old, new in zip(before, (*given, *clips), strict=True)), (
        "observations changed"
    )


PROMISES = (
    rewards_every_step,
    returns_one_number_per_clip_and_member,
    tells_chunks_as_it_tells_episodes_if_markov,
    is_the_same_under_the_same_seed,
    comes_back_from_its_state,
    counts_its_fits,
    can_be_fitted,
    leaves_what_is_recorded_alone,
)
