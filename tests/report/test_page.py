from __future__ import annotations

import html.parser
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefrl.errors import DataError, EnvironmentMissing, RunError
from prefrl.report import clips, summary_lines, write
from prefrl.report.comparison import compare

WriteRun = Callable[..., Path]
VOID = {"meta", "br", "img", "link", "hr", "input", "source"}


class Page(html.parser.HTMLParser):
    """What a browser would read: balanced tags, ids, sources and visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return tmp_path / "videos"


@pytest.fixture
def run(write_run: WriteRun, tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "runs" / "cheetah", final=2500.0)
    write_run(tmp_path / "runs" / "truth", final=3500.0, ground_truth=True)
    return folder


@pytest.fixture(scope="module")
def written(write_run: WriteRun, render: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One report that the tests which only read it share."""
    folder = tmp_path_factory.mktemp("written")
    run = write_run(folder / "runs" / "cheetah", final=2500.0)
    write_run(folder / "runs" / "truth", final=3500.0, ground_truth=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "render_clips", render)
        return write(run, videos=folder / "videos")


def test_the_page_holds_everything_and_fetches_nothing(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert "<script" not in text
    assert "javascript:" not in text
    addresses = [
        a for _, attrs in page.tags for key in ("src", "href", "poster", "xlink:href") if (a := attrs.get(key))
    ]
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert "content=\"default-src 'none'" in text


def test_the_page_says_what_came_out(written: Path) -> None:
    text = Page(written.read_text(encoding="utf-8")).text
    assert "With 50 answers from oracle the policy went 74% of the way" in text
    for words in (
        "random actions",
        "ground truth",
        "2,500",
        "3,500",
        "\N{MINUS SIGN}280",
        "0.74",
        "100,000",
        "2 min 50 s",
    ):
        assert words in text
    for words in (
        "mujoco",
        "3.4.0",
        "prefrl train configs/cheetah.yaml --set run.seed=0",
        "x86_64",
        "prefrl-oracle 0.1.0",
    ):
        assert words in text
    assert "Every evaluation episode had 1,000 steps" in text
    shown = yaml.safe_load(text[text.index("plugins: []") :].split(" env:")[0])
    assert shown == {"plugins": []}


def test_figures_are_described_and_follow_light_and_dark(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    drawn = [attrs for tag, attrs in Page(text).tags if tag == "svg"]
    assert len(drawn) == 6
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawn)
    assert "prefers-color-scheme: dark" in text
    assert "nothing recorded" not in text
    assert not re.findall(r"#0101\w\w", text)
    declared = set(re.findall(r"(--[\w]+):", text))
    assert set(re.findall(r"var\((--[\w]+)\)", text)) <= declared


def test_the_same_run_gives_the_same_page(written: Path) -> None:
    before = written.read_bytes()
    assert write(written.parent, videos=written.parents[2] / "videos").read_bytes() == before


def test_clips_are_embedded_with_posters_and_words(run: Path, videos: Path, rendered: list[dict[str, Any]]) -> None:
    page = Page(write(run, videos=videos).read_text(encoding="utf-8"))
    shown = [attrs for tag, attrs in page.tags if tag == "video"]
    assert len(shown) == 3
    for attrs in shown:
        assert (attrs["src"] or "").startswith("data:video/mp4;base64,")
        assert (attrs["poster"] or "").startswith("data:image/jpeg;base64,")
        assert "controls" in attrs  # whoever is disturbed by motion can stop it
        assert "after" in (attrs["aria-label"] or "")
    assert "the first 200 of 300 steps" in page.text
    (call,) = rendered
    assert [len(segment) for segment in call["segments"]] == [200] * 3
    assert call["segments"][0].states.shape == (201, 19)
    assert (call["size"], call["camera"], call["env_kwargs"]) == (64, None, {})
    assert all(path.is_relative_to(videos / "cheetah") for path in call["paths"])


def test_rendered_clips_are_used_again(written: Path, rendered: list[dict[str, Any]]) -> None:
    found, missing = clips.embed(compare(written.parent).focal, written.parents[2] / "videos")
    assert (len(found), missing, rendered) == (3, [], [])


def test_without_gl_the_report_is_written_and_says_why(
    run: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise EnvironmentMissing("neither EGL nor OSMesa works here.")

    monkeypatch.setattr(clips, "render_clips", missing)
    page = Page(write(run, videos=videos).read_text(encoding="utf-8"))
    assert "No clips: neither EGL nor OSMesa works here." in page.text
    assert not [tag for tag, _ in page.tags if tag == "video"]


def test_a_damaged_clip_is_said_with_its_cure(run: Path, videos: Path) -> None:
    comparison = compare(run)
    clips.embed(comparison.focal, videos)
    next(videos.glob("cheetah/end-*.mp4")).write_bytes(b"not a video")
    assert "the clip is damaged" in clips.embed(comparison.focal, videos)[1][0]


def test_an_environment_without_states_has_no_clips_and_says_so(
    write_run: WriteRun, tmp_path: Path, videos: Path
) -> None:
    page = Page(write(write_run(tmp_path / "run", states=False), videos=videos).read_text(encoding="utf-8"))
    assert "the environment recorded no MuJoCo states" in page.text


def test_several_seeds_are_all_shown(write_run: WriteRun, tmp_path: Path, videos: Path) -> None:
    for seed in range(3):
        write_run(tmp_path / f"run{seed}", final=2000.0 + 500 * seed, seed=seed)
        write_run(tmp_path / f"truth{seed}", final=3500.0, seed=seed, ground_truth=True)
    text = Page(write(tmp_path / "run0", videos=videos).read_text(encoding="utf-8")).text
    for seed in range(3):
        assert f"preferences, seed {seed}" in text
    assert "95% interval" in text
    assert "0 to 2" in text


def test_an_unfinished_run_has_a_report_that_says_so(write_run: WriteRun, tmp_path: Path, videos: Path) -> None:
    folder = write_run(tmp_path / "run", status="failed")
    shutil.rmtree(folder / "episodes")
    text = Page(write(folder, videos=videos).read_text(encoding="utf-8")).text
    assert "This run has failed. With 50 answers" in text
    assert "last evaluated episodes" in text
    assert "No clip of the start" in text


def test_a_run_that_has_just_begun_has_a_report(tmp_path: Path, videos: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"status": "running", "seed": 0, "arm_key": "k"}))
    (tmp_path / "config.yaml").write_text("env: {id: Pendulum-v1}\nsources: {}\n")
    text = Page(write(tmp_path, videos=videos).read_text(encoding="utf-8")).text
    assert "has not been evaluated yet" in text
    assert "has not been evaluated yet" in summary_lines(tmp_path)[0]


def test_an_empty_panel_says_so(write_run: WriteRun, tmp_path: Path, videos: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "calibration.json").write_text('{"bins": [], "ece": NaN, "n": 0}')
    assert "nothing recorded" in write(folder, videos=videos).read_text(encoding="utf-8")


def test_names_and_settings_cannot_inject_markup(write_run: WriteRun, tmp_path: Path, videos: Path) -> None:
    folder = write_run(tmp_path / "run")
    hostile = "<script>alert(1)</script>"
    (folder / "command.txt").write_text(f"prefrl train '{hostile}'")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["env"]["task"] = manifest["status"] = hostile
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "<script" not in write(folder, videos=videos).read_text(encoding="utf-8")


def test_markdown_has_the_table_the_notes_and_the_settings(written: Path) -> None:
    text = (written.parent / "report.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert len({row.count("|") for row in rows}) == 1
    assert "| **preferences** | 2,500 | 0.74 | 50 | 100,000 | 2 min 50 s | 0 |" in rows
    assert "One seed per arm" in text
    assert yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["env"]["id"] == "HalfCheetah-v5"


def test_summary_lines_align_and_point_at_this_run(run: Path) -> None:
    verdict, _, header, rule, *rest = summary_lines(run)
    assert verdict.startswith("With 50 answers")
    table = rest[:3]
    assert {len(line) for line in [header, rule, *table]} == {len(header)}
    assert [line[0] for line in table] == [" ", ">", " "]
    assert "0.74" in table[1]
    assert any(line.startswith("note: One seed per arm") for line in rest)


def test_a_folder_that_cannot_be_written_to_is_one_sentence(run: Path, videos: Path) -> None:
    (run / "report.html").mkdir()
    with pytest.raises(RunError, match="the report cannot be written"):
        write(run, videos=videos)


def test_the_facts_say_how_much_the_policy_was_trained(written: Path) -> None:
    assert "50,000 (0.50 per step)" in Page(written.read_text(encoding="utf-8")).text


def test_who_answered_and_what_plugins_add_stands_on_the_page(run: Path, videos: Path) -> None:
    rows = [
        {"source": "heron", "factor": None, "answered": 40, "skipped": 10, "pairs": 40, "right": 30},
        {"source": "heron", "factor": "speed", "answered": 20, "skipped": 0, "pairs": 20, "right": 18},
    ]
    (run / "sources.json").write_text(json.dumps({"answers": rows}))
    (run / "sections").mkdir()
    section = {
        "title": "Levels of heron",
        "text": "All <well>.",
        "header": ["level", "share"],
        "rows": [["1. speed", "50%"]],
    }
    (run / "sections" / "heron.json").write_text(json.dumps(section))
    page = Page(write(run, videos=videos).read_text(encoding="utf-8"))
    assert page.open == []
    for words in (
        "Who answered",
        "heron, decided by speed",
        "75%",
        "90%",
        "Levels of heron",
        "1. speed",
        "All <well>.",
    ):
        assert words in page.text
    markdown = (run / "report.md").read_text(encoding="utf-8")
    assert "| **heron, decided by speed**" not in markdown
    assert "| heron, decided by speed | 20 | 0 | 20 | 90% |" in markdown
    assert "| 1. speed | 50% |" in markdown


def test_a_damaged_section_is_said(run: Path, videos: Path) -> None:
    (run / "sections").mkdir()
    (run / "sections" / "heron.json").write_text(json.dumps({"title": "x"}))
    with pytest.raises(DataError, match="is no section of a report; it needs title, text, header and rows"):
        write(run, videos=videos)


def test_how_far_sources_are_trusted_stands_beside_who_answered(run: Path, videos: Path) -> None:
    rows = [{"source": "people", "factor": None, "answered": 40, "skipped": 10, "pairs": 40, "right": 30}]
    (run / "sources.json").write_text(json.dumps({"answers": rows}))
    lines = (run / "fits.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    last["metrics"] = {"reliability/people": 0.81, "reliability/people/ann": 0.93}
    (run / "fits.jsonl").write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    write(run, videos=videos)
    markdown = (run / "report.md").read_text(encoding="utf-8")
    assert "| agreement with the true return | learned reliability |" in markdown
    assert "| people | 40 | 10 | 40 | 75% | 81% |" in markdown
    assert "| people/ann | - | - | - | - | 93% |".replace("-", "\N{EN DASH}") in markdown
