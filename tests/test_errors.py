from __future__ import annotations

import re

from prefrl import errors


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn = {}
    above: list[str] = []
    for line in str(errors.__doc__).splitlines():
        if match := re.match(r"^    (?P<bars>[│├└─ ]*)(?P<name>[A-Z]\w+)", line):
            depth = len(match["bars"]) // 4
            above[depth:] = [match["name"]]
            exit_code = re.search(r"exit (\d)", line)
            drawn[match["name"]] = (
                above[depth - 1] if depth else "Exception",
                int(exit_code[1]) if exit_code else None,
            )
    real = {
        name: value for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)
    }
    assert set(drawn) == set(real)
    for name, (parent, exit_code) in drawn.items():
        assert real[name].__base__ is not None
        assert real[name].__base__.__name__ == parent
        if exit_code is not None:
            assert real[name].exit_code == exit_code


def test_a_sentence_ends_once() -> None:
    assert [errors.sentence(text) for text in ("so", "so.", "'so'?", "so!")] == ["so.", "so.", "'so'?", "so!"]


def test_what_a_user_wrote_stays_on_one_line() -> None:
    assert errors.shown("é a") == "é a"
    assert errors.shown("a\nb\x07\ud800") == r"a\nb\x07\ud800"
    assert len(errors.shown("x" * 1000)) == 200


def test_choices_are_sorted_and_the_nearest_is_named() -> None:
    assert errors.choices("orcale", ["people", "oracle"]) == "Allowed: oracle, people. Did you mean 'oracle'?"
    assert errors.choices("xyz", ["b", "a"]) == "Allowed: a, b."
    assert errors.choices("xyz", []) == "None are available."
