from __future__ import annotations

from typing import Any

import pytest

from prefrl.plugins import PluginHost
from prefrl.schema import schema
from prefrl.settings import RunSettings


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return schema(PluginHost.from_environment())


def test_every_section_is_there_and_closed(whole: dict[str, Any]) -> None:
    assert set(whole["properties"]) == {"extends", *RunSettings.model_fields}
    assert whole["required"] == ["env", "algo"]
    assert whole["additionalProperties"] is False
    assert whole["properties"]["env"]["additionalProperties"] is False


def test_a_chosen_section_has_one_variant_per_registered_name_with_its_options(whole: dict[str, Any]) -> None:
    variants = {variant["properties"]["name"]["const"]: variant for variant in whole["properties"]["algo"]["anyOf"]}
    assert {"learning_rate", "n_timesteps", "n_steps"} <= set(variants["ppo"]["properties"])
    assert "options" not in variants["ppo"]["properties"]
    assert variants["ppo"]["required"] == []
    assert variants["sac"]["required"] == ["name"]


def test_sources_are_many_and_may_be_bare(whole: dict[str, Any]) -> None:
    section, nothing = whole["properties"]["sources"]["additionalProperties"]["anyOf"]
    assert nothing == {"type": "null"}
    variants = {variant["properties"]["use"]["const"]: variant for variant in section["anyOf"]}
    assert {"file", "oracle"} <= set(variants)  # the oracle's is found by its entry point
    assert {"weight", "budget", "order", "wait"} <= set(variants["oracle"]["properties"])
    assert variants["file"]["required"] == ["path"]


def test_choices_may_be_names_mappings_or_lists(whole: dict[str, Any]) -> None:
    reward = next(v for v in whole["properties"]["reward"]["anyOf"] if v["properties"]["model"]["const"] == "ensemble")
    loss = reward["properties"]["loss"]["anyOf"]
    assert "bradley_terry" in loss[0]["enum"]
    assert {"type": "null"} in loss


def test_a_choice_among_nothing_is_nothing() -> None:
    (nothing, none) = schema(PluginHost())["properties"]["relabel"]["properties"]["bonus"]["anyOf"]
    assert (nothing, none) == ({"type": "null"}, {"type": "array", "maxItems": 0})


def test_every_reference_has_its_definition(whole: dict[str, Any]) -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if "$ref" in value else set()
            return own.union(*(references(item) for item in value.values()))
        return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()

    assert references(whole) <= {f"#/$defs/{name}" for name in whole["$defs"]}
