"""A reward of factors is their curves plus a bounded rest; privileged factors need leave; reasons tell which factor it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from prefrl.errors import ConfigError, DataError
from prefrl.fit import Trainer, gather
from prefrl.losses import WeightedSum
from prefrl.losses.options import BradleyTerryOptions, DecidingFactorOptions
from prefrl.losses.pairwise import build
from prefrl.losses.reasons import deciding_factor
from prefrl.rewards.factors import FactorReward
from prefrl.rewards.options import FactorsOptions
from prefrl.settings import FitSettings
from prefrl.specs import BuildContext, OfFactors
from prefrl.types import EnvInfo, Episode, Factor, Preference, Query, Rationale, Segment, Tiers

ENV = EnvInfo(
    "Toy-v0",
    (2,),
    (1,),
    factors={
        "speed": Factor("speed"),
        "height": Factor("height", privileged=False),
        "tilt": Factor("tilt", privileged=False),
    },
)
CONTEXT = BuildContext(run="run", name="reward", seed=0, env=ENV)


def model(**options: Any) -> FactorReward:
    chosen = {"factors": ("height", "tilt"), "members": 1, "hidden": (8,), **options}
    return FactorReward(FactorsOptions(**chosen), CONTEXT)


def clip(rng: np.random.Generator, steps: int = 4) -> Segment:
    factors = {name: rng.normal(size=steps) for name in ENV.factors}
    return Segment.of(rng.normal(size=(steps + 1, 2)), rng.normal(size=(steps, 1)), factors=factors)


def episode(clips: list[Segment]) -> Episode:
    factors = {name: np.concatenate([c.factors[name] for c in clips]) for name in ENV.factors}
    obs = np.concatenate([c.obs[:-1] for c in clips] + [clips[-1].obs[-1:]])
    return Episode("e", obs, np.concatenate([c.action for c in clips]), factors=factors)


def answers(n: int, reasons: bool = False) -> tuple[list[Preference], dict[str, Query]]:
    """More height is better; the two factors go together, so that answers alone do not tell which it is."""
    rng, made, queries = np.random.default_rng(0), [], {}
    for i in range(n):
        pair = []
        for _ in range(2):
            one = clip(rng)
            pair.append(Segment.of(one.obs, one.action, factors={**one.factors, "tilt": one.factors["height"]}))
        query = Query.of("run", i, pair)
        first = pair[0].factors["height"].sum() > pair[1].factors["height"].sum()
        reason = Rationale(factor="height") if reasons else Rationale()
        made.append(
            Preference.of(query, Tiers(((0,), (1,)) if first else ((1,), (0,))), source="ann", rationale=reason)
        )
        queries[query.id] = query
    return made, queries


def fitted(reward: FactorReward, told: bool) -> None:
    preferences, queries = answers(40, reasons=told)
    items = [item for query in queries.values() for item in query.items if isinstance(item, Segment)]
    reward.observe([episode(items)])
    terms = [(1.0, build(BradleyTerryOptions())), (1.0, deciding_factor(DecidingFactorOptions()))]
    settings = FitSettings(epochs=40, learning_rate=0.03, stop_accuracy=None, validation=0.0)
    made = gather(preferences, queries, {}, reward, 0.0)
    assert (made.parts[0].labels.factor is not None) == told
    Trainer(reward, WeightedSum(terms), settings, (), (), 0).fit(made, 1, 0)


def test_a_score_is_what_the_factors_add_and_the_rest() -> None:
    reward = model(residual=0.5)
    batch = reward.collate([clip(np.random.default_rng(i)) for i in range(2)])
    index, steps = torch.tensor([[0, 1]]), torch.arange(4).expand(1, 2, 4)
    scores = reward.members[0].score(batch, index, steps, torch.ones(1, 2))
    _, rest = reward.members[0].parts(batch.inputs)
    together = scores.aux["contributions"].sum(-1) + rest.sum(-1)
    torch.testing.assert_close(scores.s, together)
    assert rest.abs().max() <= 0.5
    assert scores.aux["contributions"].shape == (1, 2, 2)
    assert isinstance(reward, OfFactors)


def test_straight_lines_without_a_rest_are_linear_in_the_factors() -> None:
    reward = model(shape=(), residual=0.0)
    one, other = (clip(np.random.default_rng(i)) for i in range(2))
    between = Segment.of(one.obs, one.action, factors={n: (one.factors[n] + other.factors[n]) / 2 for n in ENV.factors})
    a, b, middle = reward.returns([one, other, between])[0]
    assert middle == pytest.approx((a + b) / 2, abs=1e-5)


def test_curves_go_on_beyond_the_data() -> None:
    far = clip(np.random.default_rng(0))
    values = []
    for height in (3.0, 6.0):
        factors = {**far.factors, "height": np.full(4, height)}
        values.append(
            model().members[0].parts(model().collate([Segment.of(far.obs, far.action, factors=factors)]).inputs)[0]
        )
    assert (values[0] - values[1]).abs().max() > 0.01


def test_reasons_tell_factors_apart_that_answers_alone_do_not() -> None:
    share = {}
    for told in (False, True):
        reward = model(shape=(), residual=0.0)
        fitted(reward, told)
        slope = reward.members[0].slope.detach()
        share[told] = float(slope[0] / slope.abs().sum())
    assert share[True] > 0.8
    assert share[True] > share[False] + 0.2


def test_it_reads_what_it_names_and_nothing_else() -> None:
    reward = model()
    one = clip(np.random.default_rng(0))
    other = Segment.of(one.obs, one.action, factors={**one.factors, "speed": one.factors["speed"] + 5})
    assert reward.returns([one]) == pytest.approx(reward.returns([other]))
    assert len(reward.rewards([episode([one, other])])["reward"]) == 8


def test_privileged_factors_need_leave_and_leave_needs_them() -> None:
    with pytest.raises(
        ConfigError, match=r"speed gives the designed reward of Toy-v0 away.*or take others: height, tilt"
    ):
        model(factors=("speed",))
    assert model(factors=("speed", "height"), privileged=True).factors == ("speed", "height")
    assert tuple(model(factors=()).factors) == ("height", "tilt")
    with pytest.raises(ConfigError, match="privileged: is set, but no chosen factor"):
        model(privileged=True)


def test_mistakes_are_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"has no factor 'hight'.*Did you mean 'height'"):
        model(factors=("hight",))
    with pytest.raises(ValidationError, match="'height' is named twice"):
        FactorsOptions(factors=("height", "height"))
    bare = Segment.of(np.zeros((3, 2)), np.zeros((2, 1)))
    with pytest.raises(DataError, match="holds no factor 'height'"):
        model().collate([bare])
    nan = Segment.of(np.zeros((3, 2)), np.zeros((2, 1)), factors={"height": np.full(2, np.nan), "tilt": np.zeros(2)})
    with pytest.raises(DataError, match="NaN or infinity in factor 'height'"):
        model().collate([nan])


def test_it_is_saved_whole() -> None:
    one, other = model(), model()
    fitted(one, True)
    other.load_state_dict(one.state_dict())
    some = [clip(np.random.default_rng(5))]
    assert one.returns(some) == pytest.approx(other.returns(some))
