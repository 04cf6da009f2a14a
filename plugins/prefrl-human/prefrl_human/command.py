"""The verb `prefrl rank`: the name of a data set comes in, its page is served until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from prefrl.errors import ConfigError, DataError

RUNS = Path("runs")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def rank(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set; `prefrl data list` names them.")],
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="SQLAlchemy URL of the store; runs/prefrl.sqlite by default."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder whose progress is shown; runs/NAME if there is one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="8700 by default; 0: any free one.")] = None,
    hosts: Annotated[
        list[str], typer.Option("--as", metavar="HOSTNAME", help="A further name under which people reach the page.")
    ] = [],  # noqa: B006  typer reads defaults and copies them
    people: Annotated[
        list[str],
        typer.Option("--person", metavar="NAME", help="Who answers, by a link of their own; may be repeated."),
    ] = [],  # noqa: B006
    renew: Annotated[
        list[str], typer.Option(metavar="NAME", help="Another link for this person; the old one ends.")
    ] = [],  # noqa: B006
    per_question: Annotated[int | None, typer.Option(min=1, help="People who answer each question.")] = None,
    best: Annotated[
        bool, typer.Option("--best", help="Ask for the best of several clips, not for their order.")
    ] = False,
    checks: Annotated[
        float | None, typer.Option(min=0, max=0.5, help="Share of hidden repeats and known winners; 0: none.")
    ] = None,
    instructions: Annotated[str | None, typer.Option(metavar="TEXT", help="What to look at.")] = None,
) -> None:
    """Let people rank the clips of a data set in their browsers, during training, later or without any."""
    from pydantic import ValidationError

    from prefrl_human.live import place_of
    from prefrl_human.serving import Address, serve

    if store is None and not (RUNS / "prefrl.sqlite").exists():
        raise DataError(
            f"there is no data set '{name}': {RUNS / 'prefrl.sqlite'} does not exist. Name another with --store."
        )
    folder = run if run is not None else RUNS / name
    if run is not None and not (run / "manifest.json").exists():
        raise ConfigError(f"--run {run}: no run is there (no manifest.json).")
    known = folder if (folder / "manifest.json").exists() else None
    changes = {
        "host": host, "port": port, "hosts": tuple(hosts) or None, "people": tuple(people) or None,
        "per_question": per_question, "ask": "best" if best else None, "instructions": instructions,
        "checks": None if checks is None else {"rate": checks},
    }  # fmt: skip
    try:
        place = place_of(name, store, RUNS, known, **changes)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])).removeprefix("options.")
        raise ConfigError(f"rank: {where}: {first['msg']}.") from error

    def started(address: Address) -> None:
        lines = [*address.lines(), "Ctrl-C ends the session; every saved answer stays."]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    serve(place, started, renew=renew)
