"""Users who want opposite things each get their reward, also those who were never heard before, after a few answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from prefrl.errors import ConfigError
from prefrl.fit import Answers, Trainer, gather
from prefrl.losses import WeightedSum, parts
from prefrl.losses.options import BradleyTerryOptions
from prefrl.losses.pairwise import build
from prefrl.losses.regularisers import build as term
from prefrl.rewards.ensemble import Ensemble
from prefrl.rewards.options import EnsembleOptions, UsersOptions
from prefrl.rewards.users import UserReward
from prefrl.settings import FitSettings
from prefrl.specs import BuildContext, PerUser
from prefrl.types import EnvInfo, Episode, Preference, Query, Segment, Tiers

ENV = EnvInfo("Line-v0", (1,), (1,))
CONTEXT = BuildContext(run="run", name="reward", seed=0, env=ENV)
Told = list[tuple[Query, Preference]]


def model(**options: Any) -> UserReward:
    return UserReward(UsersOptions(**{"latent": 2, "hidden": (16,), "encoder": (16,), **options}), CONTEXT)


def at(x: float) -> Segment:
    return Segment.of(np.array([[x], [x]]), np.zeros((1, 1)))


def said(user: str, sign: float, n: int, seed: int) -> Told:
    """Single steps on a line between -1 and 1, of which the user likes the right (sign 1) or the left."""
    rng, told = np.random.default_rng(seed), []
    for i in range(n):
        one, other = rng.uniform(-1, 1, 2)
        query = Query.of(f"{user}/{seed}", i, [at(one), at(other)])
        first = sign * (one - other) > 0
        answer = Tiers(((0,), (1,)) if first else ((1,), (0,)))
        told.append((query, Preference.of(query, answer, source="users", annotator=user, group=user)))
    return told


def everybody(users: int = 12, n: int = 12) -> Told:
    return [each for u in range(users) for each in said(f"u{u}", 1 - 2 * (u % 2), n, u)]


def fitted(reward: Any, told: Told, epochs: int = 40) -> Answers:
    segments = [item for query, _ in told for item in query.items if isinstance(item, Segment)]
    reward.observe([Episode(s.id, s.obs, s.action) for s in segments])
    terms = [(1.0, build(BradleyTerryOptions()))]
    if isinstance(reward, UserReward):
        terms.append((0.01, term(parts.LatentKl())))
    settings = FitSettings(epochs=epochs, learning_rate=0.01, stop_accuracy=None, validation=0.0)
    made = gather([p for _, p in told], {q.id: q for q, _ in told}, {}, reward, 0.0)
    Trainer(reward, WeightedSum(terms), settings, (), (), 0).fit(made, 1, 0)
    return made


@pytest.fixture(scope="module")
def known() -> UserReward:
    reward = model()
    fitted(reward, everybody())
    return reward


def accuracy(reward: UserReward, latent: np.ndarray[Any, Any], told: Told) -> float:
    reward.latents["new"] = latent
    right = [
        reward.returns(query.items, "new")[0].argmax() == answer.answer.tiers[0][0]  # type: ignore[union-attr]
        for query, answer in told
    ]
    return float(np.mean(right))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_somebody_new_is_known_after_eight_answers(known: UserReward, sign: float) -> None:
    latent = known.latent(said("new", sign, 8, seed=100))
    assert accuracy(known, latent, said("new", sign, 200, seed=101)) >= 0.95


def test_one_reward_for_all_is_right_half_of_the_time() -> None:
    shared = Ensemble(EnsembleOptions(members=1, hidden=(16,)), CONTEXT)
    fitted(shared, everybody())
    told = [each for sign in (1.0, -1.0) for each in said("new", sign, 200, seed=102)]
    right = [shared.returns(q.items)[0].argmax() == p.answer.tiers[0][0] for q, p in told]  # type: ignore[union-attr]
    assert float(np.mean(right)) == pytest.approx(0.5, abs=0.05)


def test_answers_turned_round_turn_the_reward_round(known: UserReward) -> None:
    ends = [at(-0.9), at(0.9)]
    best = []
    for sign in (1.0, -1.0):
        known.latents["new"] = known.latent(said("new", sign, 8, seed=103))
        best.append(int(known.returns(ends, "new")[0].argmax()))
    assert best == [1, 0]


def test_the_order_of_answers_does_not_matter_and_each_makes_surer() -> None:
    reward = model()
    told = said("new", 1.0, 6, seed=1)
    assert reward.latent(told) == pytest.approx(reward.latent(told[::-1]), abs=1e-6)
    assert reward.latent([]).tolist() == [0.0, 0.0]
    batch = reward.collate([item for query, _ in told for item in query.items])
    rows = torch.arange(12).view(6, 2)
    _, few = reward.member.posterior(batch.summaries(), rows[None, :2, 0], rows[None, :2, 1])
    _, many = reward.member.posterior(batch.summaries(), rows[None, :, 0], rows[None, :, 1])
    mu, logvar = reward.member.posterior(batch.summaries(), torch.full((1, 3), -1), torch.full((1, 3), -1))
    assert (many < few).all()
    assert (mu == 0).all()
    assert (logvar == 0).all()


def test_what_is_held_out_tells_nothing_about_its_user() -> None:
    reward = model()
    told = everybody(4, 10)
    made = gather([p for _, p in told], {q.id: q for q, _ in told}, {}, reward, 0.5)
    held = int(made.parts[0].held_out.sum())
    assert 0 < held < 40
    assert int((made.batch.better >= 0).sum()) == 40 - held


def test_a_policy_is_told_whom_it_serves_by_the_observation(known: UserReward) -> None:
    served = UserReward(known._options, replace(CONTEXT, env=replace(ENV, obs_shape=(3,), user=2)))
    served.load_state_dict({**known.state_dict(), "recent": None})
    for sign, name in ((1.0, "right"), (-1.0, "left")):
        z = known.latent(said(name, sign, 8, seed=104))
        known.latents[name] = z
        obs = np.concatenate([np.array([[0.5], [0.7], [0.7]]), np.tile(z, (3, 1))], 1)
        addressed = served.rewards([Episode("e", obs, np.zeros((2, 1)))])["reward"]
        plain = known.rewards([Episode("e", obs[:, :1], np.zeros((2, 1)))], name)["reward"]
        assert addressed == pytest.approx(plain, rel=1e-4)


def test_a_fit_repeats_and_is_saved_whole(known: UserReward) -> None:
    other = model()
    fitted(other, everybody())
    ends = [at(-0.9), at(0.9)]
    assert other.returns(ends, "u3") == pytest.approx(known.returns(ends, "u3"))
    third = model()
    third.load_state_dict(known.state_dict())
    assert third.returns(ends, "u3") == pytest.approx(known.returns(ends, "u3"))
    assert isinstance(third, PerUser)


def test_mistakes_are_one_sentence(known: UserReward) -> None:
    with pytest.raises(ConfigError, match="nobody called 'u99' has answered"):
        known.returns([at(0.0)], "u99")
    with pytest.raises(ConfigError, match=r"env.user: is 3, and reward.latent is 2"):
        UserReward(UsersOptions(latent=2), replace(CONTEXT, env=replace(ENV, obs_shape=(4,), user=3)))
    with pytest.raises(ConfigError, match="observations in one row"):
        UserReward(UsersOptions(), replace(CONTEXT, env=replace(ENV, obs_shape=(2, 2))))
    query = Query.of("run", 0, [at(0.0), at(0.1), at(0.2)], kind="ranking")
    ranked = Preference.of(query, Tiers(((0,), (1,), (2,))), source="users", group="u0")
    with pytest.raises(ConfigError, match="answers about pairs"):
        gather([ranked], {query.id: query}, {}, model(), 0.0)
