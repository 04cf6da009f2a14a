"""Observations become words as the configuration says, and a prompt that cannot be made is a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from prefrl.errors import ConfigError
from prefrl_llm.options import LearnerOptions, Named, Number
from prefrl_llm.prompts import Prompts

ROOM = Named(entry=1, edges=(-0.5, 0.5), words=("left", "middle", "right"))
OBS = np.array([[0.24, -0.9], [-0.04, 0.5], [3.0, 0.49]])


def test_entries_are_put_into_words() -> None:
    options = LearnerOptions(prompt="at {x} in {room}", describe={"x": Number(entry=0), "room": ROOM})
    said = Prompts(options, 2, ()).of(OBS)
    assert said == ["at +0.2 in left", "at +0.0 in right", "at +3.0 in middle"]


def test_without_a_prompt_every_entry_is_a_number_by_its_own_name() -> None:
    assert Prompts(LearnerOptions(), 2, ["ball {x} [m]", "speed"]).of(OBS[:1]) == ["ball {x} [m] +0.2, speed -0.9"]
    assert Prompts(LearnerOptions(), 2, ()).of(OBS[:1]) == ["x0 +0.2, x1 -0.9"]


def test_examples_hold_every_word() -> None:
    options = LearnerOptions(prompt="{x} {room}", describe={"x": Number(entry=0), "room": ROOM})
    text = " ".join(Prompts(options, 2, ()).examples())
    assert all(word in text for word in ROOM.words)


def test_an_entry_that_is_not_there_is_a_sentence() -> None:
    options = LearnerOptions(prompt="{room}", describe={"room": ROOM})
    with pytest.raises(ConfigError, match=r"^algo\.describe\.room: there is no entry 1; observations have 1, 0 to 0\."):
        Prompts(options, 1, ())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prompt": "{x} {y}", "describe": {"x": {"entry": 0}}}, "prompt and describe name different things: y"),
        ({"prompt": "stay", "describe": {"x": {"entry": 0}}}, "prompt and describe name different things: x"),
        ({"describe": {"x": {"entry": 0}}}, "describe explains names of a prompt: give one"),
        ({"prompt": "{x", "describe": {"x": {"entry": 0}}}, "a brace itself is written twice"),
        (
            {"prompt": "{x}", "describe": {"x": {"entry": 0, "edges": [1, 0], "words": ["a", "b", "c"]}}},
            "edges must rise",
        ),
        (
            {"prompt": "{x}", "describe": {"x": {"entry": 0, "edges": [0], "words": ["a"]}}},
            "1 edges part 2 words, not 1",
        ),
        ({"built": {"width": 33, "heads": 2}}, "width 33 does not divide into 2 heads"),
    ],
)
def test_contradictions_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LearnerOptions.model_validate(given)
