"""A game and a mixture in, a less exploitable mixture out: one exact step of each method, over all pairs at once.

`tau` is the price of leaving the reference (beta, in Nash-MP's paper), `eta` the size of a step. Sampled versions of the
same steps are fits of the loss core: IPO and INPO on pairs drawn as below, answered softly by the matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from prefrl.games.game import Floats, PreferenceGame, geometric_mixture, normalised

Update = Callable[[PreferenceGame, Floats, float, float], Floats]
MIXED = 0.125  # share of the reference in what IPO-MD plays against (Calandriello et al. 2024)


def nash_md(game: PreferenceGame, mixture: Floats, eta: float, tau: float) -> Floats:
    """Mirror descent from, and against, the geometric mixture with the reference (Munos et al. 2024, eq. 4)."""
    mixed = geometric_mixture(mixture, game.reference, eta * tau)
    return normalised(np.log(mixed) + eta * game.wins(mixed))


def nash_mp(game: PreferenceGame, mixture: Floats, eta: float, tau: float) -> Floats:
    """Mirror prox: the answer to where the first step would lead (Tiapkin et al. 2025, arXiv 2505.19731)."""
    half = _answer(game, mixture, mixture, eta, tau)
    return _answer(game, mixture, half, eta, tau)


def online_ipo(game: PreferenceGame, mixture: Floats, eta: float, tau: float) -> Floats:
    """IPO on pairs that the mixture itself draws: self-play (Calandriello et al. 2024, arXiv 2403.08635)."""
    return _answer(game, mixture, mixture, eta, tau)


def ipo_md(game: PreferenceGame, mixture: Floats, eta: float, tau: float) -> Floats:
    """IPO on pairs drawn by the geometric mixture with the reference (Calandriello et al. 2024)."""
    return _answer(game, mixture, geometric_mixture(mixture, game.reference, MIXED), eta, tau)


def inpo(game: PreferenceGame, mixture: Floats, eta: float, tau: float) -> Floats:
    """What minimises the INPO loss on pairs of the mixture (Zhang et al. 2024, arXiv 2407.00617), tau <= eta."""
    share = min(tau / eta, 1.0)
    return normalised(
        share * np.log(game.reference) + (1 - share) * np.log(mixture) + game.wins(mixture) / max(eta, tau)
    )


def offline_ipo(game: PreferenceGame, tau: float, data: Floats | None = None) -> Floats:
    """What minimises the IPO loss on a fixed set of pairs drawn by `data` (K,), the reference by default."""
    drawn = game.reference if data is None else data
    return normalised(np.log(game.reference) + game.wins(drawn) / tau)


def _answer(game: PreferenceGame, mixture: Floats, opponent: Floats, eta: float, tau: float) -> Floats:
    """A proximal step from `mixture` towards the best regularised answer to `opponent`."""
    best = np.log(game.reference) + game.wins(opponent) / tau
    return normalised((eta * best + np.log(mixture)) / (1 + eta))


UPDATES: Mapping[str, Update] = {
    "nash_mp": nash_mp, "nash_md": nash_md, "online_ipo": online_ipo, "ipo_md": ipo_md, "inpo": inpo,
}  # fmt: skip


def usual_eta(method: str, tau: float) -> float:
    """A step that converges whatever the matrix: linear in tau where prox steps or small moves allow it, else in tau^2.

    Self-play turns round the equilibrium about 0.3 / tau times as fast as it approaches it (the worst matrix of three).
    """
    match method:
        case "nash_md":
            return min(1.0, 4 * tau)
        case "inpo":
            return max(tau, 1 / (4 * tau))  # here eta is the price of leaving the last mixture: larger moves less
        case "nash_mp":
            share = min(0.5, 2 * tau)
        case _:
            share = min(0.5, 4 * tau**2)
    return share / (1 - share)


def solve(
    game: PreferenceGame, method: str, eta: float | None, tau: float, steps: int, start: Floats | None = None
) -> Floats:
    """The mixture after `steps` updates from `start`, the reference by default; eta None: `usual_eta`."""
    mixture = game.reference if start is None else start
    eta = usual_eta(method, tau) if eta is None else eta
    for _ in range(steps):
        mixture = UPDATES[method](game, mixture, eta, tau)
    return mixture
