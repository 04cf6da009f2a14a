"""Which filters and losses a run names in; a sentence where wrong answers would be corrected for twice, or votes be wasted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from prefrl.errors import ConfigError
from prefrl.losses.options import PairOptions
from prefrl.losses.parts import LabelOptions, LinkOptions
from prefrl.options import Options
from prefrl.specs import LabelFilterSpec


def check(filters: Sequence[LabelFilterSpec], losses: Iterable[Options]) -> None:
    """ConfigError unless `filters` and the options of the run's `losses` go together."""
    losses = list(losses)
    correcting = [spec.name for spec in filters if spec.corrects_noise]
    also = [*correcting[1:], *_corrections(losses)]
    if correcting and also:
        raise ConfigError(
            f"reward: {correcting[0]} and {' and '.join(also)} both correct for wrong answers, and what is corrected twice is "
            f"wrong again: keep one (smoothing: 0 and link: logistic leave it to the filter)."
        )
    giving = [spec.name for spec in filters if "votes" in spec.gives]
    reading = [part for options in losses for part in _by_votes(options)]
    if reading and not giving:
        raise ConfigError(f"reward.loss: {reading[0]} reads votes that no filter casts; add `filters: [votes]`.")
    if giving and not reading:
        raise ConfigError(
            f"reward.filters: {giving[0]} casts votes that no loss reads; add one of flip_by_votes, soft_from_votes and "
            f"margin_from_votes to the loss's label_tf, or take the filter out."
        )


def _corrections(losses: Iterable[Options]) -> list[str]:
    """Names of what corrects for wrong answers in the losses themselves."""
    names: list[str] = []
    for options in losses:
        if isinstance(options, PairOptions):
            design = options.design()
            if cast(LinkOptions, design.link.options).corrects_noise:
                names.append(f"link '{design.link.name}'")
            noisy = [part.name for part in design.label_tf if cast(LabelOptions, part.options).corrects_noise]
            names += ["smoothing" if name == "smooth_flip" else name for name in noisy]
        elif getattr(options, "smoothing", 0.0):
            names.append("smoothing")
    return list(dict.fromkeys(names))


def _by_votes(options: Options) -> list[str]:
    if not isinstance(options, PairOptions):
        return []
    return [part.name for part in options.design().label_tf if cast(LabelOptions, part.options).by_votes]
