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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefrl.data_commands import app as data_app
from prefrl.doors import PluginRecord, every
from prefrl.errors import ConfigError, PluginError, PrefrlError, RunError, choices
from prefrl.loss_commands import app as losses_app
from prefrl.verbs import Verbs

if TYPE_CHECKING:
    from prefrl.config import Tree
    from prefrl.plugins import PluginHost
    from prefrl.specs import Spec

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR}


def _group(**settings: Any) -> typer.Typer:
    return typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **settings
    )


app = _group(cls=Verbs, help="Teach robots by saying which clip is better.")
plugins_app = _group(help="What is installed, what it offers, and what is broken.")
config_app = _group(help="Resolve a configuration without running it.")
app.add_typer(plugins_app, name="plugins")
app.add_typer(config_app, name="config")
app.add_typer(data_app, name="data")
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


# --- plugins ---------------------------------------------------------------------------------------------------------


def _print_records(records: Iterable[PluginRecord], as_json: bool) -> None:
    records = list(records)
    if as_json:
        print(json.dumps([asdict(record) for record in records], indent=1))
        return
    name, origin = (
        max((len(text) for text in texts), default=0) for texts in ([r.name for r in records], map(str, records))
    )
    for record in records:
        offers = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in record.offers.items())
        detail = " | ".join(part for part in (offers, record.error) if part)
        print(f"{record.name:{name}}  {record.status:9}  {record!s:{origin}}  {detail}".rstrip())


def _probed(plugins_dir: Path | None, wanted: Sequence[str] = ()) -> list[tuple[PluginRecord, tuple[str, ...]]]:
    from prefrl.probe import probe_all

    found = every(plugins_dir)
    names = {one.record.name for one in found}
    for name in wanted:
        if name not in names:
            raise PluginError(f"no plugin named '{name}'. {choices(name, names)}")
    return probe_all(one for one in found if not wanted or one.record.name in wanted)


@plugins_app.command("list")
def plugins_list(
    load: Annotated[
        bool, typer.Option("--load", help="Import each in a process of its own and say what it offers.")
    ] = False,
    plugins_dir: PluginsDir = None,
    as_json: Json = False,
) -> None:
    """List plugins from metadata, importing none of them."""
    if load:
        _print_records((record for record, _ in _probed(plugins_dir)), as_json)
        return
    _print_records((found.record for found in every(plugins_dir)), as_json)


@plugins_app.command("check")
def plugins_check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Plugins to check; all by default.")
    ] = None,
    plugins_dir: PluginsDir = None,
    as_json: Json = False,
) -> None:
    """Import each plugin in a process of its own; exit code 2 if one is broken, in conflict or heavy to import."""
    results = _probed(plugins_dir, names or ())
    _print_records((record for record, _ in results), as_json)
    for record, heavy in results:
        if heavy:
            print(
                f"{record.name}: imports {', '.join(heavy)} at once; import them in the builder instead.",
                file=sys.stderr,
            )
    if any(record.status != "active" or heavy for record, heavy in results):
        raise typer.Exit(2)


def _described(kind: str, spec: Spec) -> dict[str, Any]:
    needs = "as its options say" if callable(spec.needs) else ", ".join(sorted(spec.needs))
    options = spec.options.model_json_schema().get("properties", {})
    return {"kind": kind, "name": spec.name, "summary": spec.summary, "needs": needs, "options": options}


@plugins_app.command("show")
def plugins_show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A plugin, or something a plugin offers.")],
    plugins_dir: PluginsDir = None,
    as_json: Json = False,
) -> None:
    """Everything a plugin offers, or everything of that name: needs and options with their defaults."""
    from prefrl.plugins import KINDS, PluginHost

    host = PluginHost.from_environment(plugins_dir)
    offered = [(kind, spec) for kind in KINDS for spec in host.specs(kind).values()]
    mine = next((record for record in host.records if record.name == name), None)
    if mine is not None and mine.status == "broken":
        raise PluginError(f"plugin {mine.name} ({mine}) failed to load: {mine.error}")
    shown = [
        _described(kind, spec)
        for kind, spec in offered
        if (spec.name in mine.offers.get(kind, ()) if mine is not None else spec.name == name)
    ]
    if not shown and mine is None:
        known = {*(record.name for record in host.records), *(spec.name for _, spec in offered)}
        raise PluginError(f"nothing is named '{name}'. {choices(name, known)}")
    if as_json:
        print(json.dumps(shown, indent=1))
        return
    for item in shown:
        print(
            f"{item['kind']}: {item['name']}: {item['summary']}"
            + (f" Needs: {item['needs']}." if item["needs"] else "")
        )
        for key, option in item["options"].items():
            default = f" = {json.dumps(option['default'])}" if "default" in option else " (required)"
            print(f"    {key}{default}  {option.get('description', '')}".rstrip())


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
