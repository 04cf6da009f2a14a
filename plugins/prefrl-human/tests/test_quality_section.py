"""The label-quality page says the rules, the figures and the verdicts, and a report shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from prefrl_human.exclusion_options import ExcludeOptions
from prefrl_human.quality import Person, Quality
from prefrl_human.quality_section import HEADER, write

ANN = Person("ann", 28, 2, 1, 12, 6, 4, 2, 2, 1, 27, 14, 3.25, 0.0, ("checks: 6 of 12 known winners missed",))
BOB = replace(ANN, name="bob", known=0, again=0, mirrored=0, seconds=float("nan"), reasons=())


def section(folder: Path, quality: Quality, plan: str = "") -> dict:
    write(folder, "human", quality, plan)
    return json.loads((folder / "sections" / "human-quality.json").read_text())


def test_the_page(tmp_path: Path) -> None:
    found = section(tmp_path, Quality((ANN, BOB), 0.71, ExcludeOptions()), "About 90 answers are needed.")
    assert found["header"] == list(HEADER)
    assert found["rows"] == [
        [
            "ann",
            "28",
            "2",
            "1",
            "6 of 12",
            "2 of 4",
            "1 of 2",
            "14 of 27",
            "3.2",
            "suspected; checks: 6 of 12 known winners missed",
        ],
        ["bob", "28", "2", "1", "–", "–", "–", "14 of 27", "–", "trusted"],
    ]
    assert "alpha over all pairs that several people judged is 0.71" in found["text"]
    assert "from 12 checks on" in found["text"]
    assert "Suspected: ann; their answers are used all the same." in found["text"]
    assert found["text"].endswith("About 90 answers are needed.")


def test_excluded_people_and_nobody_to_compare_with(tmp_path: Path) -> None:
    found = section(tmp_path, Quality((ANN,), float("nan"), ExcludeOptions(apply=True)))
    assert found["rows"][0][-1].startswith("excluded; ")
    assert "nothing is learned from them" in found["text"]
    assert "agreement is unknown" in found["text"]
    assert section(tmp_path, Quality((BOB,), float("nan"), ExcludeOptions()))["text"].count("Suspected") == 0
