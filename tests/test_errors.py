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


def test_choices_are_sorted_and_the_nearest_is_named() -> None:
    assert errors.choices("orcale", ["people", "oracle"]) == "Allowed: oracle, people. Did you mean 'oracle'?"
    assert errors.choices("xyz", ["b", "a"]) == "Allowed: a, b."
    assert errors.choices("xyz", []) == "None are available."
