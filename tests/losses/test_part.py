"""The three ways of naming a part in YAML, what is refused and in which words, and that a dump reads back."""

from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from prefrl.losses.part import OneOf, Part, PartOptions


class Spring(PartOptions):
    """Two settings, of which the first is the main one."""

    stiffness: float = Field(1.0, gt=0)
    preload: float = 0.0


class Rigid(PartOptions):
    """Nothing to set."""


TABLE = {"spring": Spring, "rigid": Rigid}
JOINT = TypeAdapter(Annotated[Part, OneOf(TABLE, "joint")])


@pytest.mark.parametrize(
    ("written", "name", "options"),
    [
        ("spring", "spring", Spring()),
        ("rigid", "rigid", Rigid()),
        ({"spring": 2.5}, "spring", Spring(stiffness=2.5)),
        ({"spring": {"preload": 1}}, "spring", Spring(preload=1.0)),
        ({"spring": None}, "spring", Spring()),
        (Part("spring", Spring(stiffness=3)), "spring", Spring(stiffness=3)),
    ],
)
def test_a_part_is_a_name_a_main_option_or_options(written, name, options):
    part = JOINT.validate_python(written)
    assert (part.name, part.options) == (name, options)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("sprig", "there is no joint 'sprig'. Allowed: rigid, spring. Did you mean 'spring'?"),
        ({"spring": 1, "rigid": 2}, "a joint is a name or one {name: options}, not 2 keys"),
        ({}, "not 0 keys"),
        (7, "there is no joint 7"),
        ({"rigid": 1.0}, "joint 'rigid' has no options; write just its name"),
        ({"spring": -1}, "greater than 0"),
        ({"spring": {"length": 1}}, "length"),
    ],
)
def test_what_is_no_part_is_refused_in_a_sentence(written, words):
    with pytest.raises(ValidationError) as caught:
        JOINT.validate_python(written)
    assert words in str(caught.value)


@pytest.mark.parametrize("written", ["spring", "rigid", {"spring": 2.5}, {"spring": {"preload": 1.0, "stiffness": 3}}])
def test_a_dump_reads_back_as_the_same_part(written):
    part = JOINT.validate_python(written)
    assert JOINT.validate_python(JOINT.dump_python(part)) == part
    assert JOINT.dump_python(JOINT.validate_python("rigid")) == "rigid"


def test_an_editor_is_told_the_names():
    schema = JOINT.json_schema()
    assert schema["anyOf"][0]["enum"] == ["spring", "rigid"]
    assert schema["anyOf"][1]["maxProperties"] == 1


def test_a_part_needs_nothing_and_is_shift_invariant_unless_it_says_otherwise():
    assert Rigid().requires() == frozenset()
    assert Rigid().shift_invariant()
