"""The verb ``prefrl bench``: a suite comes in, its missing runs are made, tables and a report go out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from prefrl.errors import ConfigError, RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefrl.bench.cells import Cell
    from prefrl.bench.results import Results
    from prefrl.bench.runner import Standing
    from prefrl.bench.suite import Suite
    from prefrl.plugins import PluginHost

SHIPPED = Path("configs/bench")  # where `prefrl bench status` looks for suites


class RunByDefault(TyperGroup):
    """``prefrl bench SUITE`` is ``prefrl bench run SUITE``."""

    default = "run"

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [self.default, *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Grids of runs that write their own tables: prefrl bench SUITE [OPTIONS], or one of the verbs below.",
)

SuiteFile = Annotated[
    Path, typer.Argument(metavar="SUITE", help="YAML file of a suite, e.g. configs/bench/smoke.yaml.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Results folder; the suite says which by default.")
]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs at a time; one per processor by default.")]
PluginsDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Load each *.py of this folder as a plugin.")]


@app.command()
def run(
    suite: SuiteFile,
    jobs: Jobs = None,
    executor: Annotated[
        str, typer.Option(metavar="NAME", help="Where runs are made: local, ray, or a plugin's.")
    ] = "local",
    retries: Annotated[int, typer.Option(min=0, help="How often a run that failed is tried again.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be run and how long it will take.")
    ] = False,
    out: Out = None,
    plugins_dir: PluginsDir = None,
) -> None:
    """Make the runs of SUITE that are missing, then write its tables and report."""
    from prefrl.bench.runner import Manner, standing
    from prefrl.bench.runner import run as run_cells

    opened, host, cells, results = _opened(suite, out, plugins_dir)
    now = standing(cells, results, host)
    if dry_run:
        print("\n".join(_plan(opened, now, jobs)))
        return
    spec = host.spec("executors", executor)
    if "jobs" not in spec.options.model_fields and jobs is not None:
        raise ConfigError(f"--jobs: the executor '{executor}' has no such option.")
    built = spec.build(spec.options.model_validate({} if jobs is None else {"jobs": jobs}))
    manner = Manner(retries, plugins_dir, elsewhere=executor != "local")
    with results.held():
        try:
            run_cells(now, results, built, manner, lambda line: print(line, flush=True))
        finally:
            now = standing(cells, results, host)
            lines = _written(opened, now, results)
    print("\n".join(lines))
    if now.pending:
        raise RunError(f"{len(now.pending)} of {now.distinct} runs are missing; the same command tries them again.")


@app.command()
def status(
    suite: Annotated[
        Path | None, typer.Argument(metavar="[SUITE]", help="A suite; by default each of configs/bench.")
    ] = None,
    out: Out = None,
    plugins_dir: PluginsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """How far suites are: finished, failed with the end of the log, still to be run and for how long."""
    from prefrl.bench.runner import standing
    from prefrl.bench.suite import is_suite

    found = [suite] if suite is not None else [path for path in sorted(SHIPPED.glob("*.yaml")) if is_suite(path)]
    if not found:
        raise ConfigError(f"no suite under {SHIPPED}; name one: prefrl bench status SUITE.")
    records = []
    for path in found:
        opened, host, cells, results = _opened(path, out, plugins_dir)
        now = standing(cells, results, host)
        records.append(
            {
                "suite": opened.name, "results": str(results.folder), "runs": now.distinct, "finished": len(now.finished),
                "failed": [{"cell": f.cell, "attempts": f.attempts, "error": f.error} for f in now.failures.values()],
            }
        )  # fmt: skip
        if not as_json:
            print("\n".join(_stands(opened, now, in_full=suite is not None)))
    if as_json:
        print(json.dumps(records, indent=1))


@app.command()
def report(suite: SuiteFile, out: Out = None, plugins_dir: PluginsDir = None) -> None:
    """Write tables, plots and report of SUITE from the raw results that there are; nothing is run."""
    from prefrl.bench.runner import standing

    opened, host, cells, results = _opened(suite, out, plugins_dir)
    print("\n".join(_written(opened, standing(cells, results, host), results)))


def _opened(path: Path, out: Path | None, plugins_dir: Path | None) -> tuple[Suite, PluginHost, list[Cell], Results]:
    from prefrl.bench.cells import cells_of
    from prefrl.bench.results import Results
    from prefrl.bench.suite import open_suite
    from prefrl.plugins import PluginHost

    suite = open_suite(path)
    host = PluginHost.from_environment(plugins_dir, suite.plugins)
    return suite, host, cells_of(suite, host), Results(out or suite.results)


def _plan(suite: Suite, now: Standing, jobs: int | None) -> list[str]:
    """What a dry run says."""
    from prefrl.bench.forecast import forecasts, total
    from prefrl.executors.local import processors
    from prefrl.report.words import duration

    predicted = forecasts(now.pending, now.finished, now.cells)
    lines = [f"{suite.name}: {now.distinct} runs, {len(now.finished)} finished, {len(now.pending)} to be run"]
    for cell in now.pending:
        forecast = predicted[cell.key]
        how = "as others took" if forecast.measured else "roughly"
        lines.append(f"  {cell.key}  {cell.place}: {duration(forecast.seconds)} {how}")
    at_once = jobs or processors()
    if now.pending:
        done = duration(total(now.pending, predicted, at_once))
        guessed = sum(not forecast.measured for forecast in predicted.values())
        doubt = f"; {guessed} by a rough count, because nothing like them has finished" if guessed else ""
        lines.append(f"predicted: {done}, {at_once} at a time{doubt}")
    return lines


def _stands(suite: Suite, now: Standing, *, in_full: bool) -> list[str]:
    from prefrl.bench.forecast import forecasts, total
    from prefrl.executors.local import processors
    from prefrl.report.words import duration

    left = ""
    if now.pending and now.finished:
        predicted = forecasts(now.pending, now.finished, now.cells)
        left = f", about {duration(total(now.pending, predicted, processors()))} left"
    lines = [f"{suite.name}: {len(now.finished)} of {now.distinct} runs finished, {len(now.failures)} failed{left}"]
    for failure in now.failures.values() if in_full else ():
        lines.append(f"  FAILED {failure.cell} ({failure.attempts} times): {failure.error.splitlines()[0]}")
        lines += [f"    | {line}" for line in failure.log.splitlines()[-8:]]
    return lines


def _written(suite: Suite, now: Standing, results: Results) -> Sequence[str]:
    from prefrl.bench.page import write

    page = write(suite, now, results.folder)
    return [*page.lines, f"report: {page.path}"]
