"""Each method's exact step on a game of rock, paper, scissors: the specification's numbers, and where the steps lead."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from prefrl.games.game import PreferenceGame, divergence
from prefrl.games.updates import UPDATES, inpo, nash_md, nash_mp, offline_ipo, online_ipo, solve, usual_eta
from prefrl.losses import Kind, Labels, Scores
from prefrl.losses.pairwise import build
from prefrl.losses.policy_options import InpoOptions, IpoOptions

GAME = PreferenceGame.of(np.array([[0.5, 0.8, 0.2], [0.2, 0.5, 0.9], [0.8, 0.1, 0.5]]))
UNIFORM, START, TAU = GAME.reference, np.array([0.8, 0.1, 0.1]), 0.1


@pytest.fixture(scope="module")
def star() -> np.ndarray:
    """The Nash equilibrium of the game regularised by TAU."""
    return solve(GAME, "nash_mp", 0.05, TAU, 20_000)


def test_one_step(v) -> None:
    v.close(nash_md(GAME, START, 0.1, 0.1), "NASHMD.1step eta=.1 tau=.1")
    v.close(nash_mp(GAME, START, 0.2, 0.1), "NASHMP.1step beta=.1 eta=.2")


def test_the_regularised_equilibrium(v, star: np.ndarray) -> None:
    v.close(star, "NASH.star beta=.1")
    assert np.abs(online_ipo(GAME, star, 1.0, TAU) - star).max() < 1e-12
    found = [GAME.regularised_exploitability(star, TAU), GAME.regularised_exploitability(START, TAU)]
    v.close(found, "NASH.reg_exploit(star, start)")
    v.close(0.0, "NASH.star fixedpt err")


def test_mirror_prox_converges_linearly_and_faster_than_mirror_descent(v, star: np.ndarray) -> None:
    for update, eta, name in [(nash_mp, 2 * TAU, "NASHMP"), (nash_md, 0.1, "NASHMD")]:
        mixture, trace = START, [divergence(star, START)]
        for k in range(1, 201):
            mixture = update(GAME, mixture, eta, TAU)
            if k in (10, 50, 200):
                trace.append(divergence(star, mixture))
        v.close(trace, f"{name}.KL(pi*|pi) k=0,10,50,200")


@pytest.mark.parametrize("method", ["nash_mp", "online_ipo", "inpo"])
def test_each_method_ends_at_the_regularised_equilibrium(method: str, star: np.ndarray) -> None:
    np.testing.assert_allclose(solve(GAME, method, None, TAU, 3_000, START), star, atol=1e-6)


@pytest.mark.parametrize("method", sorted(UPDATES))
def test_every_method_is_less_exploitable_than_any_single_candidate(method: str) -> None:
    for tau in (0.03, 0.1):
        mixture = solve(GAME, method, None, tau, 5_000, START)
        assert GAME.exploitability(mixture) < tau
    assert min(GAME.exploitability(each) for each in np.eye(3)) >= 0.3


def test_online_ipo_is_self_play_and_offline_ipo_is_not(v) -> None:
    v.close(solve(GAME, "online_ipo", 1 / 9, TAU, 3_000), "IPO.online self-play fixed point")
    offline = offline_ipo(GAME, TAU)
    v.close(offline, "IPO.offline optimum (uniform data) tau=.1")
    v.close(GAME.regularised_exploitability(offline, TAU), "IPO.offline reg_exploit")


# --- the same fixed points by the loss core -------------------------------------------------------------------------


def gradient_of(options, logp: np.ndarray, drawn: np.ndarray, **prev: np.ndarray) -> np.ndarray:
    """Of the expected loss over pairs of `drawn` answered softly by the matrix, for the K log-probabilities."""
    i, j = (torch.tensor(each) for each in zip(*permutations(range(3), 2), strict=True))
    theta = torch.tensor(logp, requires_grad=True)
    both = torch.stack([i, j], 1)
    aux = {"ref_logp": np.log(UNIFORM), **prev}
    scores = Scores.of(
        torch.log_softmax(theta, 0)[both], **{name: torch.tensor(each)[both] for name, each in aux.items()}
    )
    weight = torch.tensor(drawn)[i] * torch.tensor(drawn)[j]
    labels = Labels(Kind.PAIR, pref=torch.tensor(GAME.matrix)[i, j], weight=weight)
    build(options)(scores, labels).loss.backward()
    assert theta.grad is not None
    return theta.grad.numpy()


def test_the_core_agrees_where_ipo_ends(star: np.ndarray) -> None:
    ipo = IpoOptions(tau=TAU, norm="sum")
    assert np.abs(gradient_of(ipo, np.log(star), star)).max() < 1e-8  # online: pairs of the policy itself
    assert np.abs(gradient_of(ipo, np.log(offline_ipo(GAME, TAU)), UNIFORM)).max() < 1e-8
    assert np.abs(gradient_of(ipo, np.log(offline_ipo(GAME, TAU)), star)).max() > 0.1


def test_a_step_of_inpo_minimises_the_inpo_loss() -> None:
    eta, tau = 0.3, 0.1
    after = inpo(GAME, START, eta, tau)
    found = gradient_of(InpoOptions(eta=eta, tau=tau), np.log(after), START, prev_logp=np.log(START))
    assert np.abs(found).max() < 1e-8


# --- steps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(UPDATES))
@pytest.mark.parametrize("tau", [0.003, 0.1, 0.5])
def test_a_usual_step_is_positive_and_stays_a_mixture(method: str, tau: float) -> None:
    eta = usual_eta(method, tau)
    assert eta > 0
    after = UPDATES[method](GAME, START, eta, tau)
    assert after.min() > 0
    assert after.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("method", "small", "large"),
    [("nash_md", 0.04, 1.0), ("inpo", 25.0, 0.5), ("nash_mp", 0.02 / 0.98, 1.0), ("ipo_md", 0.0004 / 0.9996, 1.0)],
)
def test_the_usual_step_is_linear_or_quadratic_in_tau_and_bounded(method: str, small: float, large: float) -> None:
    assert usual_eta(method, 0.01) == pytest.approx(small)
    assert usual_eta(method, 0.5) == pytest.approx(large)


def test_solving_takes_as_many_steps_as_are_asked_for_from_where_it_is_told() -> None:
    once = nash_md(GAME, START, 0.1, TAU)
    np.testing.assert_array_equal(solve(GAME, "nash_md", 0.1, TAU, 0, START), START)
    np.testing.assert_array_equal(solve(GAME, "nash_md", 0.1, TAU, 1, START), once)
    np.testing.assert_array_equal(solve(GAME, "nash_md", 0.1, TAU, 2, START), nash_md(GAME, once, 0.1, TAU))
    np.testing.assert_array_equal(solve(GAME, "nash_md", 0.1, TAU, 0), UNIFORM)


def test_inpo_at_eta_equal_to_tau_answers_the_last_mixture_from_the_reference() -> None:
    expected = np.exp(GAME.wins(START) / TAU) * UNIFORM
    np.testing.assert_allclose(inpo(GAME, START, TAU, TAU), expected / expected.sum())


def test_offline_ipo_takes_the_pairs_it_is_given() -> None:
    expected = np.exp(GAME.wins(START) / TAU) * UNIFORM
    np.testing.assert_allclose(offline_ipo(GAME, TAU, START), expected / expected.sum())
