"""What every run needs comes through the door of plugins: each name builds what its kind promises, lazily."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prefrl import builtin, settings
from prefrl.options import Options
from prefrl.specs import (
    Augmentation,
    BuildContext,
    Pretrainer,
    Procedure,
    RewardModel,
    Selector,
    Spec,
)
from prefrl.types import EnvInfo, Factor

CONTEXT = BuildContext(
    run="r", name="n", seed=0, env=EnvInfo("Toy-v0", (2,), (1,), factors={"height": Factor("height", privileged=False)})
)
KINDS = [name.removeprefix("prefrl_register_") for name in vars(builtin) if name.startswith("prefrl_register_")]


def offered(kind: str) -> dict[str, Spec]:
    specs = list(getattr(builtin, f"prefrl_register_{kind}")())
    assert len({spec.name for spec in specs}) == len(specs)
    return {spec.name: spec for spec in specs}


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_has_a_sentence_and_options_with_defaults(kind: str) -> None:
    for name, spec in offered(kind).items():
        assert spec.summary, name
        assert issubclass(spec.options, Options)
        required = [key for key, field in spec.options.model_fields.items() if field.is_required()]
        assert not required or name == "file" or kind == "losses", (name, required)


def test_what_the_defaults_of_the_settings_name_is_there() -> None:
    names = {kind: set(offered(kind)) for kind in KINDS}
    assert {"ensemble", "true_reward"} <= names["reward_models"]
    assert {"uniform", "disagreement"} <= names["selectors"]
    assert {"random", "entropy"} <= names["pretrainers"]
    assert "ppo" in names["learners"]
    assert "online" in names["procedures"]
    assert "crop" in names["augmentations"]
    assert "bradley_terry" in names["losses"]
    assert "file" in names["sources"]


@pytest.mark.parametrize(
    ("kind", "protocol", "arguments"),
    [
        ("selectors", Selector, (CONTEXT,)),
        ("reward_models", RewardModel, (CONTEXT,)),
        ("augmentations", Augmentation, (CONTEXT,)),
        ("pretrainers", Pretrainer, ()),
        ("procedures", Procedure, ()),
    ],
)
def test_builders_build_what_their_kind_promises(kind: str, protocol: Any, arguments: tuple[Any, ...]) -> None:
    members = {name for name in vars(protocol) if not name.startswith("_")} | set(protocol.__annotations__)
    for name, spec in offered(kind).items():
        built = spec.build(spec.options(), *arguments)
        lacking = {member for member in members if not hasattr(built, member)}
        assert not lacking, (name, lacking)


def test_only_the_ground_truth_needs_the_true_reward() -> None:
    needing = {
        n
        for kind in KINDS
        for n, s in offered(kind).items()
        if "true_reward" in s.needs_of(s.options.model_construct())
    }
    assert needing == {"true_reward"}
    assert not offered("reward_models")["true_reward"].trained  # type: ignore[attr-defined]


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from prefrl import builtin;"
        "[list(getattr(builtin, n)()) for n in dir(builtin) if n.startswith('prefrl_register_')];"
        "sys.exit(str({'torch', 'gymnasium', 'mujoco', 'stable_baselines3'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.stderr.strip() == ""


DEFAULTS = json.loads((Path(__file__).parent / "data" / "defaults.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("what", DEFAULTS)
def test_a_default_that_changes_is_meant(what: str) -> None:
    """It changes what every configuration that leaves it out does: change it here too, and say so in the changelog."""
    kind, name = what.split("/")
    model = getattr(settings, name) if kind == "settings" else offered(kind)[name].options
    now = model().model_dump(mode="json")
    assert {option: now.get(option, "gone") for option in DEFAULTS[what]} == DEFAULTS[what]
