"""The verbs of ``prefrl data``: arguments come in, a data set is filled, listed or shown; nothing is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prefrl.errors import ConfigError, DataError
from prefrl.forms import FORMS

if TYPE_CHECKING:
    from prefrl.store import Store

RUNS = Path("runs")  # where the default store lies, beside the runs

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Data sets of clips and answers, with or without training.",
)


class Form(StrEnum):
    """Of exported data sets; those of `prefrl.forms` are folders."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    LABEL_STUDIO = "label_studio"
    D4RL = "d4rl"
    LEROBOT = "lerobot"
    TRL = "trl"


StoreUrl = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="SQLAlchemy URL of the store; runs/prefrl.sqlite by default."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A data set.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


@app.command()
def collect(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML file of a run: task, clip length, clips per query.")
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="The data set; it grows if it is there already.")],
    policy: Annotated[
        str, typer.Option(metavar="random|RUN|ZIP", help="Who acts; a zip is one's own SB3 policy.")
    ] = "random",
    recorded: Annotated[
        str | None,
        typer.Option("--from", metavar="FOLDER|minari:ID", help="Take episodes from npz files or Minari instead."),
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes, at most.")] = 20,
    queries: Annotated[int | None, typer.Option(min=1, help="Questions to prepare; feedback.total by default.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="run.seed by default.")] = None,
    sets: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override one value of CONFIG.")] = [],  # noqa: B006
    plugins_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Load each *.py as a plugin.")] = None,
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Collect rollouts into a data set and prepare questions about their clips; nobody is asked yet."""
    from prefrl.config import plugins_of, read, resolve
    from prefrl.plugins import PluginHost

    if recorded is not None and policy != "random":
        raise ConfigError("--from: recorded episodes need no --policy; give one of the two.")
    tree = read(config, sets)
    settings = resolve(tree, PluginHost.from_environment(plugins_dir, plugins_of(tree)))

    from prefrl.collection import collect as collected
    from prefrl.store import open_store

    with open_store(store or settings.store.url, RUNS) as opened:
        result = collected(
            settings, opened, name, policy=policy, recorded=recorded, episodes=episodes,
            queries=queries or settings.feedback.total, seed=settings.run.seed if seed is None else seed,
        )  # fmt: skip
    if as_json:
        print(json.dumps(asdict(result)))
        return
    print(
        f"{result.name}: {result.queries} new questions about {result.episodes} episodes of {result.env_id} "
        f"({result.steps} steps); {result.open} are open"
    )


@app.command()
def answer(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of a run: task and sources.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="The data set.")],
    sets: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override one value of CONFIG.")] = [],  # noqa: B006
    plugins_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Load each *.py as a plugin.")] = None,
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Let the sources of CONFIG answer a data set's open questions; people answer with `prefrl rank`."""
    from prefrl.config import plugins_of, read, resolve
    from prefrl.plugins import PluginHost

    tree = read(config, sets)
    host = PluginHost.from_environment(plugins_dir, plugins_of(tree))
    settings = resolve(tree, host)

    from prefrl.procedures.answering import answer as answered

    with _opened(name, store or settings.store.url) as opened:
        result = answered(settings, host, opened, name)
    if as_json:
        print(json.dumps(asdict(result)))
        return
    print(
        f"{result.name}: of {result.asked} open questions {result.answered} were answered and {result.skipped} skipped; "
        f"{result.open} are open"
    )


@app.command("list")
def list_(store: StoreUrl = None, as_json: Json = False) -> None:
    """List data sets."""
    opened = _existing(store)
    found = []
    if opened is not None:
        with opened:
            found = opened.data_sets()
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=1))
        return
    names, tasks = (
        max((len(text) for text in texts), default=0) for texts in ([o.name for o in found], [o.env_id for o in found])
    )
    for one in found:
        print(
            f"{one.name:{names}}  {one.env_id:{tasks}}  {one.queries:6} questions  {one.preferences:6} answers  "
            f"{_day(one.created)}"
        )


@app.command()
def show(name: Name, store: StoreUrl = None, as_json: Json = False) -> None:
    """Show what a data set asks, and who answered how much."""
    from prefrl.collection import described

    with _opened(name, store) as opened:
        found = described(opened, name)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    print(f"{found['name']}: {found['env']}, since {_day(found['created'])}")
    print(f"questions  {found['queries']}, of which {found['open']} open")
    if (example := found["example"]) is not None:
        lengths = " and ".join(map(str, sorted(set(example["steps"])))) or "no"
        print(
            f"           such as a {example['kind']} of {example['items']} clips of {lengths} steps about {example['question']}"
        )
    for source, counts in found["answers"].items():
        print(f"{source}  " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    if found["annotators"]:
        print(f"people     {', '.join(found['annotators'])}")


@app.command()
def export(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write: a file for jsonl, a new folder else.")],
    form: Annotated[Form, typer.Option(help="jsonl: for the source `file`; d4rl, lerobot: with clips; trl: texts.")] = (
        Form.JSONL
    ),
    store: StoreUrl = None,
) -> None:
    """Write a data set's questions and answers for other tools, or to import them elsewhere."""
    from prefrl.store.trl import to_lines, write_lines

    with _opened(name, store) as opened:
        data = opened.data_set(name)
        if form is Form.JSONL:
            data.export(file)
            print(f"written: {file}")
            return
        if form in FORMS:
            lost = FORMS[form].write(data, file)
            print(f"written: {file}")
            _print_lost(lost)
            return
        answers = [preference for _, preference in data.current()]
        found = to_lines(answers, data.queries(answer.query_id for answer in answers))
    print(f"written: {', '.join(map(str, write_lines(file, found))) or 'nothing'}")
    _print_lost(found.lost)


def _print_lost(lost: Mapping[str, int]) -> None:
    for reason, count in lost.items():
        print(f"left out: {count} {reason}")


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What an export, or the other tool, wrote: a file or a folder.")
    ],
    name: Name,
    form: Annotated[Form, typer.Option(help="As in export.")] = Form.JSONL,
    store: StoreUrl = None,
) -> None:
    """Read questions and answers into a data set, which is made if it is not there; what it holds already stays."""
    from prefrl.store import open_store
    from prefrl.store.exchange import env_of_export
    from prefrl.store.trl import of_lines, read_lines
    from prefrl.types import EnvInfo

    with open_store(store, RUNS) as opened:
        if form is not Form.TRL:
            if form is Form.JSONL:
                added = opened.data_set(name, env_of_export(file)).import_(file)
            else:
                there = name in {one.name for one in opened.data_sets()}
                content = FORMS[form].read(file, opened.data_set(name).env if there else None)
                added = opened.data_set(name, content.env).absorb(content)
            print(f"{name}: {added.queries} new questions, {added.preferences} new answers")
            return
        read = of_lines(read_lines(file), name)
        data = opened.data_set(name, EnvInfo("text", (), ()))
        data.add_queries([query for query, _ in read])
        before = len(data.preferences())
        for _, preference in read:
            data.add(preference)
        print(f"{name}: {len(read)} lines, {len(data.preferences()) - before} new answers")


def _existing(url: str | None) -> Store | None:
    """The store, unless it is the default one and nobody has made it: looking must not create it."""
    from prefrl.store import open_store

    return open_store(url, RUNS) if url is not None or (RUNS / "prefrl.sqlite").exists() else None


def _opened(name: str, url: str | None) -> Store:
    store = _existing(url)
    if store is None:
        raise DataError(
            f"there is no data set '{name}': {RUNS / 'prefrl.sqlite'} does not exist. Name another with --store."
        )
    return store


def _day(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).astimezone().strftime("%Y-%m-%d")
