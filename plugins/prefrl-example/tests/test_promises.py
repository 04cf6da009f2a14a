"""Each thing keeps the promises of its kind: what a plugin's own tests begin with."""

import numpy as np
import torch

import prefrl_example
from prefrl.options import NoOptions
from prefrl.testing import (
    learner_checks,
    loss_checks,
    procedure_checks,
    reward_model_checks,
    selector_checks,
    source_checks,
)
from prefrl.testing.examples import episodes, segments
from prefrl_example.acting import Motion, Newest
from prefrl_example.drawing import bars
from prefrl_example.fitting import Halves
from prefrl_example.options import BonusOptions
from prefrl_example.ordering import InTurn


@source_checks("example_calm")
def test_the_source(check):
    check()


@source_checks("example_calm", options={"margin": 2.0})
def test_the_source_with_a_margin(check):
    check()


@selector_checks("example_lively")
def test_the_selector(check):
    check()


@reward_model_checks("example_linear")
def test_the_reward_model(check):
    check()


@loss_checks("example_hinge")
def test_the_loss(check):
    check()


@learner_checks("example_climber", options={"rollout": 16})
def test_the_learner(check):
    check()


@procedure_checks("example_twice")
def test_the_procedure(check):
    check()


# --- kinds without a kit: by what they do ----------------------------------------------------------------------------


def test_halves_lie_within_the_clips():
    lengths = torch.tensor([[10, 11], [1, 2]])
    start, length = Halves(NoOptions(), None).windows(lengths, torch.Generator().manual_seed(0))
    assert length.tolist() == [[5, 5], [1, 1]]
    assert ((start >= 0) & (start + length <= lengths)).all()


def test_the_bonus_is_for_motion_and_fades():
    recorded = episodes(2)
    bonus = Motion(BonusOptions(scale=2.0, half_life=100), None)
    first, later = (bonus.rewards(recorded, {}, step) for step in (0, 100))
    assert first.shape == (sum(map(len, recorded)),)
    np.testing.assert_allclose(first[:3], 2.0 * np.abs(np.diff(recorded[0].obs[:4], axis=0)).mean(axis=1))
    np.testing.assert_allclose(later, first / 2)


def test_the_sampler_draws_from_the_newer_half():
    rows = Newest(NoOptions(), None).rows(100, 1000, np.random.default_rng(0))
    assert (rows.shape, rows.min(), rows.max()) == ((1000,), 50, 99)


def test_calls_in_turn_keep_their_order():
    assert list(InTurn(NoOptions()).map(abs, [-2, 1])) == [2, 1]
    (_, two), (_, error) = InTurn(NoOptions()).completed(lambda x: 2 / x, [1, 0])
    assert two == 2
    assert isinstance(error, ZeroDivisionError)


def test_bars_show_each_entry():
    (clip, *_) = segments()
    frames = bars(clip, 8)
    assert (frames.shape, frames.dtype) == ((len(clip), 8, 8, 3), np.uint8)
    assert prefrl_example.prefrl_render_segment(clip, 8, None) is None
