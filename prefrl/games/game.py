"""Who beats whom among K candidates in, how exploitable a mixture of them is out (Munos et al. 2024, arXiv 2312.00886)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefrl.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PreferenceGame:
    """`matrix` (K, K): P(row beats column), 1/2 on the diagonal; `reference` (K,): what a mixture is kept near."""

    matrix: Floats
    reference: Floats

    @staticmethod
    def of(matrix: Floats, reference: Floats | None = None) -> PreferenceGame:
        """Check a matrix; the reference is uniform by default. Raises DataError unless P(i beats j) + P(j beats i) = 1."""
        matrix = np.asarray(matrix, np.float64)
        if matrix.ndim != 2 or not np.allclose(matrix + matrix.T, 1, atol=1e-6) or (matrix < 0).any():
            raise DataError(f"a preference matrix of shape {matrix.shape} must be square with P[i, j] + P[j, i] = 1.")
        uniform = np.full(len(matrix), 1 / len(matrix))
        return PreferenceGame(matrix, uniform if reference is None else np.asarray(reference, np.float64))

    @staticmethod
    def of_wins(wins: Floats) -> PreferenceGame:
        """From counts (K, K) of how often the row beat the column, ties as half a win each; +1/2 to both (Laplace)."""
        wins = np.asarray(wins, np.float64)
        matrix = (wins + 0.5) / (wins + wins.T + 1)
        np.fill_diagonal(matrix, 0.5)
        return PreferenceGame.of(matrix)

    def wins(self, mixture: Floats) -> Floats:
        """(K,) probability that each candidate beats `mixture` (K,)."""
        return self.matrix @ mixture

    def exploitability(self, mixture: Floats) -> float:
        """By how much the best answer to `mixture` beats it: max_i P(i beats mixture) - 1/2; 0 at a Nash equilibrium."""
        return float(self.wins(mixture).max()) - 0.5

    def regularised_exploitability(self, mixture: Floats, tau: float) -> float:
        """The same in the game in which both pay tau times their divergence from the reference."""
        best = tau * _log_sum_exp(np.log(self.reference) + self.wins(mixture) / tau)
        return best + tau * divergence(mixture, self.reference) - 0.5


def divergence(p: Floats, q: Floats) -> float:
    """KL(p, q) of distributions (K,)."""
    inside = p > 0
    return float((p[inside] * np.log(p[inside] / q[inside])).sum())


def normalised(logits: Floats) -> Floats:
    """Softmax of (K,)."""
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())


def geometric_mixture(p: Floats, q: Floats, share: float) -> Floats:
    """(K,) proportional to p^(1 - share) q^share."""
    return normalised((1 - share) * np.log(p) + share * np.log(q))


def _log_sum_exp(logits: Floats) -> float:
    return float(logits.max() + np.log(np.exp(logits - logits.max()).sum()))
