from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefrl import tree
from prefrl.errors import ConfigError

# a billion laughs: each line holds nine of the line above
LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{c}: &{c} [{', '.join(['*' + p] * 9)}]\n" for p, c in ["ab", "bc", "cd", "de", "ef"]
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("3e-4", 3e-4),
        ("2.06e-4", 2.06e-4),
        ("1e6", 1e6),
        ("200_000", 200_000),
        ("-3", -3),
        ("010", 10),
        ("0x10", 16),
        ("0o10", 8),
        ("1.", 1.0),
        (".5", 0.5),
        (".inf", float("inf")),
        ("12:30:00", "12:30:00"),
        ("2026-01-01", "2026-01-01"),
        ("lin_7.3e-4", "lin_7.3e-4"),
        ("'3'", "3"),
        ("!!float 1e6", 1e6),
        ("!!str 3", "3"),
        ("[1, a]", [1, "a"]),
        ("1.0.0", "1.0.0"),
        ("e5", "e5"),
    ],
)
def test_scalars_read_as_yaml_1_2(text: str, value: object) -> None:
    read = tree.parse(f"key: {text}", "a.yaml").plain()["key"]
    assert read == value
    assert type(read) is type(value)


def test_every_value_knows_its_place() -> None:
    node = tree.parse("env:\n  id: Hopper-v5\nlist: [1,\n  2]\n", "a.yaml")
    assert str(node.at(("env", "id")).mark) == "a.yaml:2:7"  # type: ignore[union-attr]
    assert str(node.at(("env", "id")).key) == "a.yaml:2:3"  # type: ignore[union-attr]
    assert str(node.at(("list", 1)).mark) == "a.yaml:4:3"  # type: ignore[union-attr]
    assert node.at(("env", "di")) is None
    assert node.nearest(("env", "di", "x")) is node.at(("env",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "a.yaml:4:3: duplicate key 'c'; it stands at a.yaml:3:3 already."),
        ("a: !1, b", "a.yaml:1:4: tag '!1,' is not supported"),
        ("a: !!python/object/apply:os.system [ls]", "a.yaml:1:4: tag "),
        ("a: [", "a.yaml:1:5: "),
        ("a: b: c", "a.yaml:1:5: mapping values are not allowed here."),
        ("1: a", "a.yaml:1:1: keys are text"),
        ("? [a]\n: b", "a.yaml:1:3: keys are text"),
        ("a: &x [*x]", "aliases expand this file"),
        ("[" * 60, "a.yaml:1:51: nested deeper than 50."),
        ("a: &x 1\nb: [" + "*x, " * 101 + "]", "more than 100 aliases"),
        (LAUGHS, "aliases expand"),
        ("a:\n \0", "a.yaml:2:2: '\\x00' cannot stand in YAML"),
        ("a: " + "9" * 5000, "is not a valid int"),
        ("--- 1\n--- 2", "a.yaml:2:1: "),
        ("a: *b", "undefined alias 'b'"),
        ("a: {<<: 3}", "'<<' merges mappings only"),
        ('a: "\\U00110000"', "a.yaml:1:"),  # PyYAML's own errors: chr() and int() of what no one checked
        ('a:\n  "\\UFFFFFFFF"', "a.yaml:2:"),
        ("%YAML 1." + "9" * 5000 + "\n--- a", "a.yaml:1:"),
        ("a: 0x" + "f" * 5000, "is not a valid int"),
        ("a: 1__", "'1__' is not a valid int"),
        ('a: "\\uD800"', "a.yaml:1:4: '\\ud800' is not valid text."),
        ('{"\\uDC00": 1}', "a.yaml:1:2: '\\udc00' is not valid text."),
        ("a: !!bool maybe", "'maybe' is not a valid bool"),
        ("a: !!null 0", "'0' is not a valid null"),
        ("a: !!seq {b: 1}", "a.yaml:1:4: tag "),
        ("a: !!map [b]", "a.yaml:1:4: tag "),
        ('{"a\\nb": 1, "a\\nb": 2}', "duplicate key 'a\\nb'"),
    ],
)
def test_bad_yaml_is_a_sentence_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        tree.parse(text, "a.yaml")
    assert said in str(raised.value)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abé \n\t-:,[]{}&*!|>'\"%@`#?~0.e_<\\", max_size=40))
def test_no_text_ends_in_anything_but_a_sentence(text: str) -> None:
    said = "a.yaml:"
    try:
        tree.parse(text, "a.yaml").plain()
    except ConfigError as error:
        said = str(error)
    assert said.startswith("a.yaml:")


def test_merge_keys_give_way_to_the_mappings_own() -> None:
    text = "base: &b {lr: 1, n: 2}\nmore: &m {k: 4, n: 9}\nown: {<<: [*b, *m], n: 3}"
    assert tree.parse(text, "a.yaml").plain()["own"] == {"lr": 1, "n": 3, "k": 4}


def test_files_extend_deep_and_later_ones_win(tmp_path: Path) -> None:
    write(tmp_path / "methods/one.yaml", "algo: {name: ppo, lr: 1, net: [64, 64]}\nreward: {members: 3}\n")
    write(tmp_path / "methods/two.yaml", "extends: one.yaml\nalgo: {lr: 2}\n")
    path = write(tmp_path / "run.yaml", "extends: [methods/two.yaml]\nalgo: {net: [8]}\nenv: {id: A}\n")
    node = tree.read(path)
    assert node.plain() == {"algo": {"name": "ppo", "lr": 2, "net": [8]}, "reward": {"members": 3}, "env": {"id": "A"}}
    assert str(node.at(("algo", "lr")).mark).endswith("two.yaml:2:12")  # type: ignore[union-attr]
    assert str(node.at(("algo", "name")).mark).endswith("one.yaml:1:14")  # type: ignore[union-attr]


def test_a_circle_of_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.yaml", "extends: b.yaml")
    write(tmp_path / "b.yaml", "extends: [a.yaml]")
    with pytest.raises(ConfigError, match=r"extends cycle: a\.yaml -> b\.yaml -> a\.yaml"):
        tree.read(Path("a.yaml"))
    write(tmp_path / "c.yaml", "env: {}\nextends: a.yaml")
    with pytest.raises(ConfigError, match=r"^b\.yaml:1:11: extends cycle: a\.yaml -> b\.yaml -> a\.yaml\.$"):
        tree.read(Path("c.yaml"))


def test_a_long_chain_of_files_is_told(tmp_path: Path) -> None:
    for i in range(60):
        write(tmp_path / f"{i}.yaml", f"extends: {i + 1}.yaml")
    with pytest.raises(ConfigError, match=r"50\.yaml:1:10: more than 50 files extend one another: .*51\.yaml\.$"):
        tree.read(tmp_path / "0.yaml")


def test_one_file_may_be_extended_twice(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "a: 1")
    write(tmp_path / "left.yaml", "extends: base.yaml\nb: 2")
    assert tree.read(write(tmp_path / "run.yaml", "extends: [base.yaml, left.yaml]")).plain() == {"a": 1, "b": 2}


@pytest.mark.parametrize("extends", ["3", "[{}]", '"a\\0b"'])
def test_extends_names_files(tmp_path: Path, extends: str) -> None:
    with pytest.raises(ConfigError, match="extends: a file name"):
        tree.read(write(tmp_path / "a.yaml", f"extends: {extends}"))


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "smoke.yaml", "")
    with pytest.raises(
        ConfigError, match=r"smok\.yaml: no such file\. Allowed: smoke\.yaml\. Did you mean 'smoke\.yaml'"
    ):
        tree.read(tmp_path / "smok.yaml")
    with pytest.raises(ConfigError, match=r"a\.yaml:1:10: extends: .*base\.yaml: no such file"):
        tree.read(write(tmp_path / "a.yaml", "extends: base.yaml"))


def test_what_comes_with_prefrl_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ours = tree.read(Path("configs/smoke.yaml")).plain()
    assert tree.read(Path("smoke.yaml")).plain() == ours
    assert ours["run"] == {"name": "smoke"}
    written = tree.read(write(tmp_path / "run.yaml", "extends: [methods/pebble.yaml]\nrun: {seed: 3}")).plain()
    assert written["run"] == {"seed": 3}
    assert written["algo"]["name"] == "sac"
    assert tree.read(write(tmp_path / "other.yaml", "extends: [configs/methods/pebble.yaml]")).plain() == {
        key: value for key, value in written.items() if key != "run"
    }


def test_ones_own_file_comes_before_ours_and_no_name_leads_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "smoke.yaml", "a: 1")
    assert tree.read(Path("smoke.yaml")).plain() == {"a": 1}
    for name in ("../pyproject.yaml", "configs/../../pyproject.toml", "configs", "x" * 5000):
        with pytest.raises(ConfigError, match=r"no such file|cannot be read"):
            tree.read(Path(name))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: \xff", r"a\.yaml:1:4: not UTF-8"),
        (b"\xef\xbb\xbf\xc3\xa9: 1\n\xc3\xa9 \xc3", r"a\.yaml:2:3: not UTF-8"),
        (b"a: " + b"x" * 1_000_001, "larger than 1000 kB"),
        (b"- 1", "a mapping of sections"),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.yaml").write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        tree.read(tmp_path / "a.yaml")


def test_a_folder_or_an_endless_file_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        tree.read(tmp_path)
    if Path("/dev/zero").exists():
        with pytest.raises(ConfigError, match="larger than"):
            tree.read(Path("/dev/zero"))


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert tree.read(write(tmp_path / "a.yaml", "# nothing yet\n")).plain() == {}


def test_set_overrides_creates_and_keeps_its_origin(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "algo: {lr: 1}\nsources: {oracle: }\nloss: [{name: a}, {name: b}]\n")
    node = tree.read(
        path, ["algo.lr=3e-4", "sources.oracle.error=0.1", "new.deep.key=[1, 2]", "loss.1.coef=2", "run.name="]
    )
    assert node.plain() == {
        "algo": {"lr": 3e-4}, "sources": {"oracle": {"error": 0.1}}, "loss": [{"name": "a"}, {"name": "b", "coef": 2}],
        "new": {"deep": {"key": [1, 2]}}, "run": {"name": None},
    }  # fmt: skip
    assert str(node.at(("algo", "lr")).mark) == "--set algo.lr=3e-4"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("algo", "write --set section.key=value"),
        ("=3", "write --set"),
        ("a..b=3", "write --set"),
        ("algo.lr.x=3", "there is no 'x' to set in 1"),
        ("algo.lr=[", "--set algo.lr=[: "),
        ("algo={a: 1, a: 2}", "duplicate key 'a'"),
        (".".join("a" * 2000) + "=3", "write --set"),
    ],
)
def test_a_bad_set_is_a_sentence(tmp_path: Path, argument: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        tree.read(write(tmp_path / "a.yaml", "algo: {lr: 1}"), [argument])
    assert said in str(raised.value)
