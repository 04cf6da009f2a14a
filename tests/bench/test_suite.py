from __future__ import annotations

from pathlib import Path

import pytest

from prefrl.bench.cells import GROUND_TRUTH, cells_of, key_of
from prefrl.bench.suite import is_suite, open_suite
from prefrl.errors import ConfigError, PluginError
from prefrl.plugins import PluginHost

ROOT = Path(__file__).parents[2]
SUITES = [path for path in sorted((ROOT / "configs" / "bench").glob("*.yaml")) if is_suite(path)]


def test_cells_are_the_product_of_the_axes_and_the_ground_truth_of_each_task(tiny: Path, host: PluginHost) -> None:
    cells = cells_of(open_suite(tiny), host)
    assert [str(cell.place) for cell in cells] == [
        "Reach, ground truth, seed 0", "Reach, ground truth, seed 1",
        "Reach, uniform, 8 pairs, oracle, seed 0", "Reach, uniform, 8 pairs, oracle, seed 1",
        "Reach, disagreement, 8 pairs, oracle, seed 0", "Reach, disagreement, 8 pairs, oracle, seed 1",
    ]  # fmt: skip
    truth, *_, last = cells
    assert truth.settings.reward.model == "true_reward"
    assert truth.settings.sources == {}
    assert (truth.settings.env, truth.settings.algo) == (last.settings.env, last.settings.algo)
    assert last.settings.queries.selector == "disagreement"
    assert last.settings.run.seed == 1
    assert {cell.key for cell in cells} == {cell.settings.run.name for cell in cells}
    assert len({cell.key for cell in cells}) == 6


def test_a_grid_names_what_is_combined(tiny: Path, host: PluginHost) -> None:
    text = (
        tiny.read_text(encoding="utf-8")
        + "grids: [{methods: [uniform]}, {methods: [disagreement], seeds: [1]}, {seeds: [1]}]\n"
    )
    tiny.write_text(text, encoding="utf-8")
    preferring = [cell.place for cell in cells_of(open_suite(tiny), host) if not cell.is_truth]
    assert [(place.method, place.seed) for place in preferring] == [("uniform", 0), ("uniform", 1), ("disagreement", 1)]


def test_another_seed_adds_cells_and_leaves_the_others_alone(tiny: Path, host: PluginHost) -> None:
    before = {str(cell.place): cell.key for cell in cells_of(open_suite(tiny), host)}
    tiny.write_text(tiny.read_text(encoding="utf-8").replace("[0, 1]", "[0, 1, 7]"), encoding="utf-8")
    after = {str(cell.place): cell.key for cell in cells_of(open_suite(tiny), host)}
    assert before.items() < after.items()
    assert {place.rpartition(" ")[2] for place in after.keys() - before.keys()} == {"7"}


def test_the_key_forgets_what_changes_no_number_and_nothing_else(tiny: Path, host: PluginHost) -> None:
    settings = cells_of(open_suite(tiny), host)[-1].settings
    for section, change in (("run", {"name": "x"}), ("render", {"size": 64}), ("checkpoint", {"keep": 9})):
        other = settings.model_copy(update={section: getattr(settings, section).model_copy(update=change)})
        assert key_of(other) == key_of(settings)
    for section, change in (("run", {"seed": 9}), ("feedback", {"total": 9}), ("algo", {"n_timesteps": 9})):
        other = settings.model_copy(update={section: getattr(settings, section).model_copy(update=change)})
        assert key_of(other) != key_of(settings)


def test_settings_extend_files_beside_the_suite(tiny: Path, host: PluginHost) -> None:
    (tiny.parent / "part.yaml").write_text("feedback: {segment: 7}", encoding="utf-8")
    text = tiny.read_text(encoding="utf-8").replace("8 pairs: {}", "8 pairs: {extends: part.yaml}")
    tiny.write_text(text, encoding="utf-8")
    truth, *_, last = cells_of(open_suite(tiny), host)
    assert last.settings.feedback.segment == 7
    assert truth.place.method == GROUND_TRUTH
    assert truth.settings.feedback.segment != 7


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("name: tiny", "nmae: tiny", r"suite.yaml:2:1: nmae: unknown key. Allowed: .* Did you mean 'name'"),
        ("seeds: [0, 1]", "seeds: []", r"suite.yaml:5:8: seeds: tuple should have at least 1 item"),
        ("baseline: uniform", "baseline: unifrom", r"baseline: no method 'unifrom'. .* Did you mean 'uniform'"),
        ("seeds:", "grids: [{methods: [x]}]\nseeds:", r"grids.0.methods: no 'x'. Allowed: disagreement, uniform"),
        ("methods:", "method:", r"methods: is required|method: unknown key"),
        ("uniform: {queries", "uniform: 3 #", r"a mapping of sections"),
    ],
)  # fmt: skip
def test_mistakes_have_a_sentence_and_a_place(tiny: Path, old: str, new: str, sentence: str) -> None:
    tiny.write_text(tiny.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        open_suite(tiny)


def test_mistakes_inside_a_cell_name_the_cell(tiny: Path, host: PluginHost) -> None:
    text = tiny.read_text(encoding="utf-8").replace("selector: disagreement", "selector: disagrement")
    tiny.write_text(text, encoding="utf-8")
    with pytest.raises(PluginError, match=r"cell 'Reach, disagreement, 8 pairs, oracle, seed 0':\n.*Did you mean"):
        cells_of(open_suite(tiny), host)


def test_methods_do_not_change_the_task(tiny: Path, host: PluginHost) -> None:
    text = tiny.read_text(encoding="utf-8").replace("{queries: {selector: uniform}}", "{algo: {n_timesteps: 1024}}")
    tiny.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"algo.n_timesteps differ from those of its environment's ground truth"):
        cells_of(open_suite(tiny), host)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_every_shipped_suite_resolves(path: Path, host: PluginHost) -> None:
    cells = cells_of(open_suite(path), host)
    assert cells
    assert len({(cell.place.environment, cell.place.method, cell.key) for cell in cells}) == len(cells)


def test_a_run_is_no_suite() -> None:
    assert not is_suite(ROOT / "configs" / "smoke.yaml")
