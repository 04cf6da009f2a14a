"""The `prefrl` command: arguments come in, one stage is called, an exit code goes out.

Exit codes: 0 ok, 1 run failed, 2 usage or configuration, 3 something of the machine is missing, 130 interrupted.
A `PrefrlError` is printed as it is; any other exception is a bug of ours and keeps its traceback. Torch and MuJoCo are
imported by the commands that need them, when they run.
"""

from __future__ import annotations

import errno
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefrl.bench.commands import app as bench_app
from prefrl.data_commands import app as data_app
from prefrl.errors import ConfigError, PrefrlError, RunError
from prefrl.loss_commands import app as losses_app
from prefrl.plugin_commands import app as plugins_app
from prefrl.verbs import Verbs

if TYPE_CHECKING:
    from prefrl.config import Tree
    from prefrl.plugins import PluginHost

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}


def _group(**settings: Any) -> typer.Typer:
    return typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **settings
    )


app = _group(cls=Verbs, help="Teach robots by saying which clip is better.")
config_app = _group(help="Resolve a configuration without running it.")
app.add_typer(plugins_app, name="plugins")
app.add_typer(config_app, name="config")
app.add_typer(data_app, name="data")
app.add_typer(bench_app, name="bench")
app.add_typer(losses_app, name="losses")

ConfigFile = Annotated[Path, typer.Argument(help="YAML file of a run.", metavar="CONFIG")]
Sets = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override one value, e.g. --set run.seed=3.")
]
PluginsDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Load each *.py of this folder as a plugin.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"prefrl {metadata.version('prefrl')}")
        raise typer.Exit


def _opened(config: Path, sets: Sequence[str], plugins_dir: Path | None) -> tuple[Tree, PluginHost]:
    """The first phase: the tree, and a host with every plugin the tree names."""
    from prefrl.config import plugins_of, read
    from prefrl.plugins import PluginHost

    tree = read(config, sets)
    return tree, PluginHost.from_environment(plugins_dir, plugins_of(tree))


# --- runs ------------------------------------------------------------------------------------------------------------


@app.command()
def train(
    config: Annotated[Path | None, typer.Argument(help="YAML file of a run.", metavar="CONFIG")] = None,
    sets: Sets = [],  # noqa: B006  typer reads defaults and copies them
    run: Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder; runs/<run.name> by default.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the run in this folder, by its own settings.")
    ] = None,
    plugins_dir: PluginsDir = None,
) -> None:
    """Train a policy from preferences, as CONFIG says."""
    from prefrl.config import resolve
    from prefrl.procedures import train as train_run

    config, run = _run_to_train(config, sets, run, resume)
    tree, host = _opened(config, sets, plugins_dir)
    command = shlex.join(["prefrl", *sys.argv[1:]])
    folder = train_run(resolve(tree, host), host, run, command, resume=resume is not None)
    print(f"run folder: {folder}")


def _run_to_train(
    config: Path | None, sets: Sequence[str], run: Path | None, resume: Path | None
) -> tuple[Path, Path | None]:
    """(configuration, run folder) of a new run, or of the one to go on with."""
    if resume is None:
        if config is None:
            raise ConfigError("train: name a CONFIG, e.g. configs/demo.yaml, or --resume DIR.")
        return config, run
    if config is not None or sets or run is not None:
        raise ConfigError(f"--resume {resume}: a run goes on by its own settings; leave out CONFIG, --set and --run.")
    from prefrl.runs import read_manifest

    read_manifest(resume)
    return resume / "config.yaml", resume


@app.command("eval")
def evaluate(
    run: RunFolder,
    episodes: Annotated[int, typer.Option(min=1, help="Deterministic episodes, seeds 10000 + i.")] = 20,
    as_json: Json = False,
) -> None:
    """Evaluate the final policy of RUN on an untouched environment."""
    from prefrl.evaluation import evaluate_run

    result = evaluate_run(run, episodes)
    if as_json:
        print(json.dumps(asdict(result)))
        return
    low, *_, high = sorted([result.true_return[0], *result.true_return])
    print(f"true return {result.mean_return:.1f} over {len(result.seeds)} episodes (from {low:.1f} to {high:.1f})")
    if result.success is not None:
        print(f"success {sum(result.success) / len(result.success):.0%}")


@app.command()
def report(
    run: RunFolder,
    others: Annotated[
        list[Path],
        typer.Option("--with", metavar="RUN", help="Compare with this run; those with the same arm by default."),
    ] = [],  # noqa: B006  typer reads defaults and copies them
) -> None:
    """Write RUN's report: one HTML page and Markdown, with the table printed here."""
    from prefrl import report as reporting

    page = reporting.write(run, others)
    print("\n".join(reporting.summary_lines(run, others)))
    print(f"\nreport: {page}")


@app.command()
def doctor(plugins_dir: PluginsDir = None, as_json: Json = False) -> None:
    """What this machine has and lacks, and what to do about it."""
    from prefrl import doctor as examination

    findings = examination.examine(plugins_dir)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        print("\n".join(map(str, findings)))
    if any(finding.status == "missing" for finding in findings):
        raise typer.Exit(3)


# --- configuration ---------------------------------------------------------------------------------------------------


@config_app.command("show")
def config_show(config: ConfigFile, sets: Sets = [], plugins_dir: PluginsDir = None, as_json: Json = False) -> None:  # noqa: B006
    """Print every value of the resolved CONFIG and where it comes from."""
    from prefrl.config import origins as origins_of

    origins = origins_of(*_opened(config, sets, plugins_dir))
    if as_json:
        print(json.dumps([{"key": one.key, "value": one.value, "origin": str(one.mark)} for one in origins], indent=1))
        return
    lines = [f"{one.key} = {json.dumps(one.value)}" for one in origins]
    width = min(max(map(len, lines)), 60)
    for line, one in zip(lines, origins, strict=True):
        print(f"{line:{width}}  {one.mark}")


@config_app.command("check")
def config_check(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...")], plugins_dir: PluginsDir = None
) -> None:
    """Say whether each CONFIG resolves; exit code 2 with every mistake if one does not."""
    from prefrl.config import resolve

    mistakes = []
    for path in configs:
        try:
            resolve(*_opened(path, (), plugins_dir))
        except PrefrlError as error:
            mistakes.append(str(error))
        else:
            print(f"{path}: ok")
    if mistakes:
        raise ConfigError("\n".join(mistakes))


@config_app.command("schema")
def config_schema(plugins_dir: PluginsDir = None) -> None:
    """Print the JSON schema of a CONFIG, options of the loaded plugins included, for editors that complete keys."""
    from prefrl.plugins import PluginHost
    from prefrl.schema import schema

    print(json.dumps(schema(PluginHost.from_environment(plugins_dir)), indent=1))


# --- leaving ---------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    command: Callable[..., Any] = typer.main.get_command(app)
    try:
        command(list(arguments) if arguments is not None else None, prog_name="prefrl")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except PrefrlError as error:
        return _sentence(error)
    except (OSError, RuntimeError) as error:
        refused = _disk_refusal(error)
        if refused is None:
            raise
        return _sentence(refused)
    return 0


def _disk_refusal(error: BaseException) -> RunError | None:
    """What to say if `error` means that the disk took no more; torch wraps or swallows the system's own error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK:
            where = cause.filename if cause.filename is not None else "the run folder"
            cure = "Free some space or choose" if cause.errno in {errno.ENOSPC, errno.EDQUOT} else "Choose"
            return RunError(f"cannot write {where}: {cause.strerror}. {cure} another folder with --run.")
        cause = cause.__cause__ or cause.__context__
    if "inline_container" in str(error) or "PytorchStreamWriter" in str(error):
        return RunError(
            "cannot write a model: torch's writer failed. Free some space or choose another folder with --run."
        )
    return None


def _sentence(error: PrefrlError) -> int:
    print(f"prefrl: {error}" if not str(error).startswith("prefrl: ") else error, file=sys.stderr)
    return error.exit_code
