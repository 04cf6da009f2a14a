"""Wrong answers are corrected for once; votes that are cast are read, and those that are read are cast."""

from __future__ import annotations

from typing import Any

import pytest

from prefrl.builtin import prefrl_register_label_filters
from prefrl.errors import ConfigError
from prefrl.filters.combination import check
from prefrl.losses.options import BradleyTerryOptions, PlackettLuceOptions, PreferenceMatrixOptions

FILTERS = {spec.name: spec for spec in prefrl_register_label_filters()}


def pair(**options: Any) -> BradleyTerryOptions:
    return BradleyTerryOptions.model_validate(options)


def tried(filters: list[str], *losses: Any) -> None:
    check([FILTERS[name] for name in filters], losses)


@pytest.mark.parametrize(
    ("filters", "loss"),
    [
        ([], pair(smoothing=0.1)),
        ([], pair(link={"noise_floor": 0.1})),
        (["rime"], pair()),
        (["rime"], PlackettLuceOptions()),
        (["votes"], pair(label_tf=["flip_by_votes"])),
        (["votes"], pair(label_tf=["flip_by_votes", "margin_from_votes"])),
        (["votes"], pair(label_tf=["soft_from_votes"])),
        (["votes"], pair(smoothing=0.1, label_tf=["margin_from_votes"])),
        (["rime", "votes"], pair(label_tf=["margin_from_votes"])),  # a margin corrects nothing
    ],
)
def test_what_goes_together(filters: list[str], loss: Any) -> None:
    tried(filters, loss)


@pytest.mark.parametrize(
    ("filters", "loss", "words"),
    [
        (["rime"], pair(smoothing=0.1), "rime and smoothing both correct for wrong answers"),
        (["rime"], pair(link={"noise_floor": 0.1}), "rime and link 'noise_floor' both correct"),
        (["rime"], pair(link={"robust": 0.1}), "rime and link 'robust' both correct"),
        (["rime", "votes"], pair(label_tf=["flip_by_votes"]), "rime and flip_by_votes both correct"),
        (["rime", "rime"], pair(), "rime and rime both correct"),
        (["reliability"], pair(smoothing=0.1), "reliability and smoothing both correct"),
        (["reliability", "rime"], pair(), "reliability and rime both correct"),
        (["rime"], PreferenceMatrixOptions(smoothing=0.1), "rime and smoothing both correct"),
        (
            [],
            pair(label_tf=["flip_by_votes"]),
            "flip_by_votes reads votes that no filter casts; add `filters: .votes.`",
        ),
        (["votes"], pair(), "votes casts votes that no loss reads"),
    ],
)
def test_what_does_not(filters: list[str], loss: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tried(filters, loss)


def test_every_loss_of_a_sum_counts() -> None:
    with pytest.raises(ConfigError, match="rime and smoothing"):
        tried(["rime"], pair(), pair(smoothing=0.2))
