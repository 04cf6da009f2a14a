"""The numbers of the specification for a game of rock, paper, scissors, and what they mean."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from prefrl.errors import DataError
from prefrl.games.game import PreferenceGame

GAME = PreferenceGame.of(np.array([[0.5, 0.8, 0.2], [0.2, 0.5, 0.9], [0.8, 0.1, 0.5]]))
UNIFORM, START, TAU = GAME.reference, np.array([0.8, 0.1, 0.1]), 0.1
NASH = np.array([0.4, 0.3, 0.3])


def test_nobody_can_exploit_the_equilibrium(v) -> None:
    v.close(NASH, "NASH.star (unregularised)")
    v.close(GAME.wins(NASH), "NASH.check M@pi")
    v.close(GAME.exploitability(UNIFORM), "NASH.exploit(uniform)")
    v.close(GAME.exploitability(np.array([1.0, 0.0, 0.0])), "NASH.exploit(e0)")
    assert GAME.exploitability(NASH) == pytest.approx(0, abs=1e-12)


# --- from answers ----------------------------------------------------------------------------------------------------


def test_counts_become_a_matrix() -> None:
    game = PreferenceGame.of_wins(np.array([[0, 9, 0], [0, 0, 1.5], [4, 0.5, 0]]))
    np.testing.assert_allclose(game.matrix[0], [0.5, 9.5 / 10, 0.5 / 5])
    for i, j in combinations(range(3), 2):
        assert game.matrix[i, j] + game.matrix[j, i] == pytest.approx(1)


def test_what_is_no_game_is_refused() -> None:
    with pytest.raises(DataError, match=r"must be square with P\[i, j\] \+ P\[j, i\] = 1"):
        PreferenceGame.of(np.array([[0.5, 0.8], [0.8, 0.5]]))
