from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prefrl import cli
from prefrl.errors import EnvironmentMissing, RunError
from prefrl.types import Evaluation

RUN = "env: {id: CartPole-v1}\nalgo: {name: ppo, n_timesteps: 100}\nsources: {oracle: }\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(RUN, encoding="utf-8")
    return Path("run.yaml")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands for `procedures.train`: what it was called with."""
    calls: list[Any] = []

    def train(settings: Any, host: Any, folder: Path | None, command: str, *, resume: bool) -> Path:
        calls.append((settings, host, folder, command, resume))
        return folder or Path("runs/run")

    monkeypatch.setattr("prefrl.procedures.train", train)
    return calls


def test_train_hands_over_settings_host_folder_and_command(
    config: Path, trained: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["train", "run.yaml", "--set", "run.seed=7", "--run", "here/my run"]
    monkeypatch.setattr(sys, "argv", ["prefrl", *arguments])
    code, out, _ = call(capsys, *arguments)
    ((settings, host, folder, command, resume),) = trained
    assert (code, out) == (0, "run folder: here/my run\n")
    assert settings.run.seed == 7
    assert settings.sources["oracle"].use == "oracle"
    assert folder == Path("here/my run")
    assert command == "prefrl train run.yaml --set run.seed=7 --run 'here/my run'"
    assert resume is False
    assert any(record.name == "oracle" for record in host.records)


def test_resume_takes_the_settings_of_the_run_itself(
    config: Path, trained: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = tmp_path / "old"
    assert call(capsys, "train", "--resume", str(run))[::2] == (2, f"prefrl: {run}: no run is there (no manifest.json); give a folder under runs/.\n")  # fmt: skip
    run.mkdir()
    (run / "manifest.json").write_text('{"status": "failed"}')
    (run / "config.yaml").write_text((tmp_path / "run.yaml").read_text())
    assert call(capsys, "train", "--resume", str(run))[0] == 0
    assert trained[0][2:3] + trained[0][4:] == (run, True)


@pytest.mark.parametrize("more", [["run.yaml"], ["--set", "run.seed=1"], ["--run", "elsewhere"]])
def test_resume_goes_with_nothing_else(
    config: Path, capsys: pytest.CaptureFixture[str], more: list[str], tmp_path: Path
) -> None:
    code, _, err = call(capsys, "train", "--resume", str(tmp_path), *more)
    assert code == 2
    assert (
        err == f"prefrl: --resume {tmp_path}: a run goes on by its own settings; leave out CONFIG, --set and --run.\n"
    )


def test_train_needs_a_config_or_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "train")[::2] == (2, "prefrl: train: name a CONFIG, e.g. configs/demo.yaml, or --resume DIR.\n")  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train", "rum.yaml"], 2, "prefrl: rum.yaml: no such file. Allowed: run.yaml. Did you mean 'run.yaml'?"),
        (["train", "run.yaml", "--set", "algo.gama=1"], 2, "prefrl: --set algo.gama=1: algo.gama: unknown key."),
        (["train", "run.yaml", "--set", "algo.n_timesteps=many"], 2, "algo.n_timesteps: input should be a valid integer"),
        (["train", "run.yaml", "--set", "sources.orcale="], 2, "no preference source named 'orcale'. Allowed: "),
        (["train", "run.yaml", "--set", "plugins=[no_such_lab]"], 2, "plugin module 'no_such_lab' failed to load: ModuleNotFoundError"),
        (["train", "run.yaml", "--plugins-dir", "nowhere"], 2, "--plugins-dir nowhere: no such folder."),
        (["trian"], 2, "prefrl: no verb 'trian'. Allowed: bench, config, data, doctor, eval, losses, plugins, rank, report, train. Did you mean 'train'?"),
        (["plugins", "show", "orcale"], 2, "nothing is named 'orcale'."),
        (["plugins", "check", "orcale"], 2, "no plugin named 'orcale'. Allowed: "),
        (["config", "check", "run.yaml", "rum.yaml"], 2, "rum.yaml: no such file"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_its_exit_code(
    config: Path, trained: list[Any], capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    left, _, err = call(capsys, *arguments)
    assert left == code
    assert said in err
    assert len(err.splitlines()) == 1
    assert not trained


@pytest.mark.parametrize(
    "arguments",
    [["eval"], ["train", "run.yaml", "--sets", "x=1"], ["eval", "run", "--episodes", "0"], ["plugins", "lst"]],
)
def test_wrong_usage_exits_2_without_a_traceback(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert "Error: " in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RunError("the pool is empty."), 1, "prefrl: the pool is empty.\n"),
        (EnvironmentMissing("no GL."), 3, "prefrl: no GL.\n"),
        (KeyboardInterrupt(), 130, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "prefrl: cannot write the run folder: No space left on device. Free some space or choose another folder with --run.\n"),
        (OSError(errno.EROFS, "Read-only file system", "runs/a"), 1, "prefrl: cannot write runs/a: Read-only file system. Choose another folder with --run.\n"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), 1, "prefrl: cannot write a model: torch's writer failed. Free some space or choose another folder with --run.\n"),
        (OSError(errno.EACCES, "Permission denied", "runs/a"), 1, "prefrl: cannot write runs/a: Permission denied. Choose another folder with --run.\n"),
    ],
)  # fmt: skip
def test_how_a_run_ends_decides_the_exit_code(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def train(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("prefrl.procedures.train", train)
    assert call(capsys, "train", "run.yaml") == (code, "", said)


@pytest.mark.parametrize(
    "bug", [ZeroDivisionError(), RuntimeError("shapes differ"), OSError(errno.ENOENT, "No such file")]
)
def test_a_bug_of_ours_keeps_its_traceback(config: Path, monkeypatch: pytest.MonkeyPatch, bug: Exception) -> None:
    def train(*_: object, **__: object) -> None:
        raise bug

    monkeypatch.setattr("prefrl.procedures.train", train)
    with pytest.raises(type(bug)):
        cli.main(["train", "run.yaml"])


def test_eval_prints_returns_and_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def evaluate_run(folder: Path, episodes: int) -> Evaluation:
        assert (folder, episodes) == (Path("runs/a"), 3)
        return Evaluation(0, 0, (1, 2, 3), (1.0, 2.0, 6.0), (0.0, 0.0, 0.0), (5, 5, 5), success=(1.0, 1.0, 0.0))

    monkeypatch.setattr("prefrl.evaluation.evaluate_run", evaluate_run)
    code, out, _ = call(capsys, "eval", "runs/a", "--episodes", "3")
    assert (code, out) == (0, "true return 3.0 over 3 episodes (from 1.0 to 6.0)\nsuccess 67%\n")
    assert json.loads(call(capsys, "eval", "runs/a", "--episodes", "3", "--json")[1])["true_return"] == [1, 2, 6]


def test_report_prints_the_table_and_where_the_page_lies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    monkeypatch.setattr(
        "prefrl.report.write", lambda folder, others: asked.append((folder, others)) or folder / "report.html"
    )
    monkeypatch.setattr("prefrl.report.summary_lines", lambda folder, others: ["a table"])
    code, out, _ = call(capsys, "report", "runs/a", "--with", "runs/b", "--with", "runs/c")
    assert (code, out) == (0, "a table\n\nreport: runs/a/report.html\n")
    assert asked == [(Path("runs/a"), [Path("runs/b"), Path("runs/c")])]


def test_broken_plugins_are_listed_with_their_reason_and_stop_no_one(
    config: Path, tmp_path: Path, trained: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    head = "from prefrl.specs import hookimpl, SourceSpec\ndef one(name): return [SourceSpec(name=name, summary='', build=dict)]\n@hookimpl\n"
    sources = {
        "absent": "import no_such_module",
        "misspelt": head + "def prefrl_register_source(): return one('a')",
        "raising": head + "def prefrl_register_sources(): raise ValueError('no key')",
        "rival": head + "def prefrl_register_sources(): return one('file')",
        "fine": head + "def prefrl_register_sources(): return one('fine')",
    }
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    code, out, _ = call(capsys, "plugins", "list", "--load", "--plugins-dir", str(folder), "--json")
    listed = {record["name"]: record for record in json.loads(out)}
    assert code == 0
    assert {name: listed[name]["status"] for name in sources} == {
        "absent": "broken", "misspelt": "broken", "raising": "broken", "rival": "conflict", "fine": "active"
    }  # fmt: skip
    for name, reason in {
        "absent": "no_such_module",
        "misspelt": "prefrl_register_sources",
        "raising": "no key",
        "rival": "'file' is also offered by prefrl",
    }.items():
        assert reason in listed[name]["error"]
    assert call(capsys, "train", "run.yaml", "--plugins-dir", str(folder))[0] == 0
    code, _, err = call(capsys, "train", "run.yaml", "--plugins-dir", str(folder), "--set", "sources.file.path=x")
    assert (code, "offered by prefrl" in err) == (2, True)
    assert len(trained) == 1
    code, out, _ = call(capsys, "plugins", "check", "fine", "misspelt", "--plugins-dir", str(folder))
    assert code == 2
    assert [line.split()[:2] for line in out.splitlines()[:2]] == [["fine", "active"], ["misspelt", "broken"]]


def test_plugins_list_reads_metadata_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefrl.doors._import_file", lambda path: pytest.fail("imported"))
    code, out, _ = call(capsys, "plugins", "list", "--json")
    assert code == 0
    listed = {record["name"]: record["status"] for record in json.loads(out)}
    assert listed.keys() >= {"prefrl.builtin", "oracle"}
    assert set(listed.values()) == {"installed"}


def test_plugins_show_prints_options_with_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "plugins", "show", "ppo")
    assert code == 0
    assert out.startswith("learners: ppo: ")
    assert "    learning_rate = 0.0003" in out
    shown = json.loads(call(capsys, "plugins", "show", "oracle", "--json")[1])
    assert ("sources", "oracle") in [(item["kind"], item["name"]) for item in shown]


def test_config_show_check_and_schema(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = {
        one["key"]: one
        for one in json.loads(call(capsys, "config", "show", "run.yaml", "--set", "run.seed=3", "--json")[1])
    }
    assert shown["run.seed"] == {"key": "run.seed", "value": 3, "origin": "--set run.seed=3"}
    assert shown["algo.n_timesteps"]["origin"] == "run.yaml:2:32"
    assert "algo.n_timesteps = 100" in call(capsys, "config", "show", "run.yaml")[1]
    assert call(capsys, "config", "check", "run.yaml")[:2] == (0, "run.yaml: ok\n")
    assert json.loads(call(capsys, "config", "schema")[1])["title"] == "prefrl run"


def test_doctor_exits_3_when_something_needed_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefrl.doctor import Finding

    findings = [Finding("disk", "ok", "9 GB free"), Finding("drawing", "missing", "no GL.", "Install libegl1.")]
    monkeypatch.setattr("prefrl.doctor.examine", lambda plugins_dir: findings)
    code, out, _ = call(capsys, "doctor")
    assert (code, out) == (3, "ok       disk: 9 GB free\nmissing  drawing: no GL. Install libegl1.\n")
    assert json.loads(call(capsys, "doctor", "--json")[1])[1]["cure"] == "Install libegl1."
    findings.pop()
    assert call(capsys, "doctor")[0] == 0


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["plugins", "list"], ["config", "show", "run.yaml"], ["config", "schema"]]
)
def test_what_runs_nothing_imports_nothing_heavy(config: Path, arguments: list[str]) -> None:
    code = (
        "import sys; from prefrl.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'mujoco', 'gymnasium', 'stable_baselines3', 'matplotlib', 'sqlalchemy'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)


def test_python_m_and_a_closed_pipe(config: Path) -> None:
    command = [sys.executable, "-m", "prefrl", "config", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        said = process.stderr.read()
    assert b"Traceback" not in said
    assert b"Error" not in said
