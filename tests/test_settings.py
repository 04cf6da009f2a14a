from __future__ import annotations

import pytest
from pydantic import ValidationError

from prefrl import settings
from prefrl.plugins import KINDS
from prefrl.rewards.options import EnsembleOptions
from prefrl.settings import Choice, Chosen, EnvSettings, FeedbackSettings, RunIdentity, RunSettings


def test_the_sections_are_those_of_the_design() -> None:
    assert list(RunSettings.model_fields) == [
        "plugins", "env", "algo", "procedure", "pretrain", "feedback", "queries", "sources", "reward", "relabel", "evaluate",
        "render", "store", "checkpoint", "run",
    ]  # fmt: skip


def test_every_chosen_section_and_choice_names_a_kind_of_the_host() -> None:
    chosen = Chosen.__subclasses__()
    assert {section.registry for section in chosen} <= set(KINDS)
    for section in chosen:
        assert section.key in section.model_fields
    marks = [
        mark
        for model in vars(settings).values() if isinstance(model, type) and issubclass(model, settings.Options)
        for field in model.model_fields.values() for mark in field.metadata if isinstance(mark, Choice)
    ]  # fmt: skip
    assert {mark.registry for mark in marks} == {
        "losses",
        "augmentations",
        "label_filters",
        "bonuses",
        "replay_samplers",
    }


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (EnvSettings, {"id": "A", "n_envs": 0}), (EnvSettings, {"id": "A", "termination": "never"}), (FeedbackSettings, {"segment": 0}),
        (RunIdentity, {"name": "../elsewhere"}), (RunIdentity, {"name": ""}), (RunIdentity, {"seed": -1}),
        (RunIdentity, {"seed": 2**32}), (RunIdentity, {"device": "gpu"}), (RunIdentity, {"device": "cuda:x"}), (EnsembleOptions, {"hidden": [8, 0]}),
    ],
)  # fmt: skip
def test_values_without_meaning_are_refused(model: type[settings.Options], given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(given)


def test_a_run_is_frozen() -> None:
    run = RunSettings.model_validate({"env": {"id": "A"}, "algo": {}})
    with pytest.raises(ValidationError):
        run.run = RunIdentity(seed=3)  # type: ignore[misc]
    with pytest.raises(ValidationError):
        run.run.seed = 3  # type: ignore[misc]
