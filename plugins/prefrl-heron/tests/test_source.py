"""HERON answers by what the recorded clips make of its ranking, never by the true reward, and says what it cannot do."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import prefrl_heron
from prefrl.errors import ConfigError, PluginError, PrefrlError
from prefrl.specs import AskContext, BuildContext
from prefrl.types import Choice, EnvInfo, Factor, Preference, Query, Segment, Text, Tiers
from prefrl_heron.margins import differences, margins_for, measure
from prefrl_heron.options import HeronOptions
from prefrl_heron.ranking import ranked
from prefrl_heron.source import Heron

(SPEC,) = prefrl_heron.prefrl_register_sources()
FACTORS = {name: Factor(name, privileged=name == "speed") for name in ("speed", "height", "energy")}
ENV = EnvInfo("Toy-v0", (1,), (1,), factors=FACTORS)


def clip(tag: int = 0, steps: int = 4, **factors: float) -> Segment:
    """Steps on which each factor is constant; the true reward is there to be ignored."""
    channels = {name: np.full(steps, value) for name, value in factors.items()}
    return Segment.of(np.full((steps + 1, 1), tag), np.zeros((steps, 1)), factors=channels, true_reward=np.ones(steps))


class Pool:
    """Recorded clips, all handed out in order."""

    def __init__(self, clips: list[Segment]) -> None:
        self.clips = clips
        self.asked: list[tuple[int, int]] = []

    def sample(self, n: int, length: int, rng: np.random.Generator, window: int | None = None) -> list[int]:
        self.asked.append((n, length))
        return list(range(len(self.clips)))

    def segment(self, index: Any) -> Segment:
        return self.clips[index]

    def recent(self, n: int) -> list[Any]:
        return []


def unit_pool(n: int = 60, scale: float = 1.0, seed: int = 0, **fixed: float) -> Pool:
    """Clips whose factors have mean 0 and standard deviation `scale`."""
    values = np.random.default_rng(seed).normal(size=(n, 3))
    values = (values - values.mean(0)) / values.std(0) * scale
    return Pool([clip(i, **(dict(zip(FACTORS, row, strict=True)) | fixed)) for i, row in enumerate(values.tolist())])


def source(
    ranking: Any = ("height", {"energy": "less"}), folder: Path = Path(), env: EnvInfo = ENV, **options: Any
) -> Heron:
    chosen = SPEC.options(ranking=ranking, **options)
    built: Heron = SPEC.build(chosen, BuildContext(run="run", name="heron", seed=0, env=env, folder=folder))
    return built


def ask(heron: Heron, *queries: Query, pool: Any = None) -> list[Preference]:
    context = AskContext(step=0, round=1, rng=np.random.default_rng(0), pool=pool or unit_pool())
    return list(heron.label(queries, context))


def query(*clips: Segment, kind: Any = "pair", **rest: Any) -> Query:
    return Query.of("run", 0, clips, kind=kind, **rest)


# --- answers --------------------------------------------------------------------------------------------------------


def test_the_first_level_that_tells_two_clips_apart_decides_and_says_so() -> None:
    near = query(clip(0, height=0.05, energy=1.0), clip(1, height=0.0, energy=9.0))
    far = query(clip(2, height=0.0, energy=9.0), clip(3, height=2.0, energy=99.0))
    first, second = ask(source(margin=0.1), near, far)
    assert (first.answer, first.rationale.factor) == (Tiers(((0,), (1,))), "energy")
    assert (second.answer, second.rationale.factor) == (Tiers(((1,), (0,))), "height")
    assert first.source == "heron"
    assert first.strength is None  # a preference, not how much better


def test_margins_are_in_standard_deviations_of_the_clips_own_aggregate() -> None:
    """Within a clip the factor varies by 10, over clips its mean varies by 1: only the latter counts."""
    pool = unit_pool()
    pool.clips = [
        replace(c, factors={n: v + np.array([10, -10, 10, -10]) for n, v in c.factors.items()}) for c in pool.clips
    ]
    pair = query(clip(0, height=0.6), clip(1, height=0.0))
    assert ask(source(["height"], margin=0.5), pair, pool=pool)[0].answer == Tiers(((0,), (1,)))
    assert ask(source(["height"], margin=0.7), pair, pool=pool)[0].answer is None
    assert pool.asked == [(1000, 4)] * 2


def test_other_units_change_no_answer() -> None:
    rng = np.random.default_rng(3)
    names = ["height", "energy"]
    for factor in (1000.0, 1e-3):
        answers = []
        for units in (1.0, factor):
            pool = unit_pool()
            pool.clips = [
                replace(c, factors={n: v * (units if n == "height" else 1) for n, v in c.factors.items()})
                for c in pool.clips
            ]
            rng = np.random.default_rng(3)
            pairs = [
                query(*(clip(2 * i + j, height=units * rng.normal(), energy=rng.normal()) for j in range(2)))
                for i in range(40)
            ]
            answers.append([p.answer for p in ask(source(names), *pairs, pool=pool)])
        assert answers[0] == answers[1]
        assert len({str(a) for a in answers[0]}) == 3  # either clip, and undecided


def test_equally_important_factors_are_summed_in_their_own_units() -> None:
    pool = unit_pool()
    pool.clips = [replace(c, factors={**c.factors, "energy": 100 * c.factors["energy"]}) for c in pool.clips]
    group = [{"height": "more", "energy": "less"}]
    both = query(clip(0, height=1.0, energy=150.0), clip(1, height=0.0, energy=0.0))  # +1 - 1.5
    answer = ask(source(group, margin=0.1), both, pool=pool)[0]
    assert (answer.answer, answer.rationale.factor) == (Tiers(((1,), (0,))), "height + energy")
    # the margin is in deviations of the sum, which of two independent factors is sqrt(2)
    assert ask(source(group, margin=0.4), both, pool=pool)[0].answer is None


def test_sums_tell_clips_that_were_cut_short_and_means_do_not() -> None:
    short = query(clip(0, steps=2, height=1.0), clip(1, steps=4, height=0.9))
    assert ask(source(["height"], margin=0.01), short)[0].answer == Tiers(((0,), (1,)))
    assert ask(source(["height"], margin=0.01, aggregate="sum"), short)[0].answer == Tiers(((1,), (0,)))


def test_undecided_is_skipped_with_a_reason_or_left_to_the_next_source() -> None:
    same = query(clip(0, height=1.0, energy=1.0), clip(1, height=1.0, energy=1.0))
    (skipped,) = ask(source(), same)
    assert (skipped.outcome, skipped.answer) == ("skip", None)
    assert skipped.rationale.text == "the clips differ by no level's margin"
    assert ask(source(undecided="pass"), same) == []


def test_a_ranking_states_decided_pairs_only() -> None:
    heights = [0.0, 2.0, 0.3, -2.0]  # 0 and 2 are too close
    (answer,) = ask(source(["height"]), query(*(clip(i, height=h) for i, h in enumerate(heights)), kind="ranking"))
    assert answer.answer == Tiers(((1,), (0,), (3,)))
    assert answer.rationale.factor == "height"


def test_a_choice_is_made_where_one_beats_all_others() -> None:
    clear = query(*(clip(i, height=h) for i, h in enumerate((0.0, 2.0, 0.3))), kind="choice")
    close = query(*(clip(i, height=h) for i, h in enumerate((0.0, 2.0, 1.9))), kind="choice")
    assert [p.answer for p in ask(source(["height"]), clear, close)] == [Choice(1), None]


def test_questions_about_anything_else_are_left_to_others() -> None:
    cost = query(clip(0, height=1.0), clip(1, height=0.0), question="cost:energy")
    assert ask(source(["height"]), cost) == []


def test_it_declares_what_it_reads_and_no_more() -> None:
    assert SPEC.needs_of(HeronOptions(ranking=("height",))) == {"factors", "pool"}
    assert SPEC.needs_of(HeronOptions(ranking=("speed",), privileged=True)) == {"factors", "privileged_factors", "pool"}
    blind = [replace(c, true_reward=None) for c in (clip(0, height=2.0), clip(1, height=0.0))]
    pool = unit_pool()
    pool.clips = [replace(c, true_reward=None) for c in pool.clips]
    assert ask(source(["height"]), query(*blind), pool=pool)[0].answer == Tiers(((0,), (1,)))


# --- what is said in a sentence -------------------------------------------------------------------------------------


def test_an_unknown_factor_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"sources.heron: Toy-v0 has no factor 'heigth'. .*Did you mean 'height'\?"):
        source(["heigth"])


def test_a_privileged_factor_needs_leave_and_leave_needs_a_reason() -> None:
    with pytest.raises(
        ConfigError, match=r"sources.heron: speed gives the designed reward .* privileged: true.*: height, energy\."
    ):
        source(["speed", "height"])
    assert source(["speed", "height"], privileged=True)
    with pytest.raises(ConfigError, match="no ranked factor of Toy-v0 is privileged; leave it out"):
        source(["height"], privileged=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ranking": ["height", "energy", {"height": "less"}]}, "contradicts itself: 'height' stands on level 1 and the other way round on level 3"),
        ({"ranking": ["height", "height"]}, "'height' stands on level 1 and again on level 2"),
        ({"ranking": []}, "at least 1"),
        ({"ranking": [{}]}, "at least 1"),
        ({"ranking": [{"height": "up"}]}, "'more' or 'less'"),
        ({"ranking": ["height"], "margin": 1.0, "share": 0.5}, "give one of them"),
        ({"ranking": ["height"], "margin": [1.0, 0.5]}, "margin has 2 values for 1 levels"),
        ({"ranking": ["height"], "margin": -1}, "greater than or equal to 0"),
        ({"ranking": ["height"], "share": 0}, "greater than 0"),
    ],
)  # fmt: skip
def test_a_hierarchy_that_contradicts_itself_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SPEC.options(**options)


def test_a_nan_factor_stops_with_a_sentence() -> None:
    pool = unit_pool()
    pool.clips[3] = clip(3, height=np.nan, energy=0.0)
    with pytest.raises(PluginError, match="factor 'height' is NaN or infinite in 1 of 60 recorded clips"):
        ask(source(), query(clip(0, height=0.0, energy=0.0), clip(1, height=1.0, energy=0.0)), pool=pool)
    with pytest.raises(PluginError, match="NaN in a clip of query"):
        ask(source(), query(clip(0, height=0.0, energy=0.0), clip(1, height=np.nan, energy=0.0)))


def test_a_constant_factor_decides_nothing_and_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """Rounding of a constant 0.1 over a clip is no behaviour."""
    pool = unit_pool(height=0.1)
    pool.clips[5] = replace(pool.clips[5], factors={**pool.clips[5].factors, "height": np.full(4, 0.1 + 1e-15)})
    heron = source()
    pair = query(clip(0, height=0.1, energy=3.0), clip(1, height=0.1 + 1e-15, energy=0.0))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert ask(heron, pair, pool=pool)[0].rationale.factor == "energy"
    assert [r.getMessage() for r in caplog.records] == [
        "sources.heron: factor 'height' is constant over the 60 clips recorded by step 0 and decides nothing until it varies."
    ]


def test_only_constant_factors_stop_with_a_sentence() -> None:
    with pytest.raises(PluginError, match=r"no ranked factor \(height, energy\) varies over 60 recorded clips"):
        ask(
            source(),
            query(clip(0, height=1, energy=1), clip(1, height=1, energy=1)),
            pool=unit_pool(height=1.0, energy=1.0),
        )


@pytest.mark.parametrize(
    ("asked", "pool", "words"),
    [
        (query(Text("p", "a"), Text("p", "b")), unit_pool(2), "is a text without any"),
        (query(clip(0, height=0.0, energy=0.0), kind="binary"), unit_pool(2), "cannot answer a binary question"),
    ],
)
def test_what_it_cannot_judge(asked: Query, pool: Any, words: str) -> None:
    with pytest.raises(PrefrlError, match=words):
        ask(source(), asked, pool=pool)


def test_without_a_recording_there_are_no_margins() -> None:
    context = AskContext(step=0, round=0, rng=np.random.default_rng(0))
    with pytest.raises(PluginError, match="nothing is recorded here"):
        list(source().label([query(clip(0, height=0.0, energy=0.0), clip(1, height=0.0, energy=1.0))], context))


# --- margins from shares, report, state -----------------------------------------------------------------------------


def test_a_share_becomes_margins_of_the_recorded_clips() -> None:
    options = HeronOptions(ranking=("height", {"energy": "less"}), share=(0.7, 1.0))
    values = np.random.default_rng(0).normal(size=(400, 2)) * [3.0, 50.0]
    yardstick = measure(values, ranked(options, ENV, "here"), options, "here")
    levels = values / values.std(0)
    assert yardstick.margins == pytest.approx(margins_for(differences(levels), (0.7, 1.0)))
    # of normal differences, whose deviation is sqrt(2): 30% lie within 0.385 of it
    assert yardstick.deviations[0] == pytest.approx(0.385 * np.sqrt(2), abs=0.05)
    assert yardstick.deviations[1] == 0.0


def test_the_report_counts_what_each_level_did(tmp_path: Path) -> None:
    heron = source(margin=0.5, folder=tmp_path)
    asked = [
        query(
            clip(0, height=2.0, energy=0.0), clip(1, height=0.0, energy=-2.0)
        ),  # height, and energy says the opposite
        query(clip(2, height=2.0, energy=0.0), clip(3, height=0.0, energy=0.0)),  # height
        query(clip(4, height=0.1, energy=0.0), clip(5, height=0.0, energy=2.0)),  # energy
        query(clip(6, height=0.0, energy=0.0), clip(7, height=0.0, energy=0.0)),  # nothing
    ]
    ask(heron, *asked)
    section = json.loads((tmp_path / "sections" / "heron.json").read_text())
    assert section["rows"] == [
        ["1. height", "0.50", "4", "2", "50.0%", "50.0%"],
        ["2. energy", "0.50", "2", "1", "50.0%", "0.0%"],
    ]
    assert "3 of 4 questions answered; no level decided 1 of 4 pairs." in section["text"]
    assert "Privileged" not in section["text"]


def test_counts_go_on_after_a_checkpoint(tmp_path: Path) -> None:
    pair = query(clip(0, height=2.0, energy=0.0), clip(1, height=0.0, energy=0.0))
    other = query(clip(2, height=2.0, energy=0.0), clip(3, height=0.0, energy=0.0))
    first = source(folder=tmp_path)
    ask(first, pair)
    resumed = source(folder=tmp_path)
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
    ask(resumed, other)
    assert json.loads((tmp_path / "sections" / "heron.json").read_text())["rows"][0][2:4] == ["2", "2"]


def test_privileged_rankings_say_so_in_the_report(tmp_path: Path) -> None:
    heron = source(["speed"], privileged=True, folder=tmp_path)
    ask(heron, query(clip(0, speed=1.0), clip(1, speed=0.0)))
    assert "Privileged: ranked factors" in json.loads((tmp_path / "sections" / "heron.json").read_text())["text"]
