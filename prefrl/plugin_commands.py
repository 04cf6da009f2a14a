"""The verbs of ``prefrl plugins``: what is installed, what it offers, whether it keeps its promises; and a new one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefrl.doors import Found, PluginRecord, every
from prefrl.errors import PluginError, choices

if TYPE_CHECKING:
    from prefrl.probe import Probed
    from prefrl.specs import Spec

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="What is installed, what it offers, and what is broken; a new one.",
)

PluginsDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Load each *.py of this folder as a plugin.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


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


@app.command("list")
def list_(
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


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Plugins to check; all by default.")
    ] = None,
    plugins_dir: PluginsDir = None,
    as_json: Json = False,
) -> None:
    """Import each plugin in a process of its own and, for those named, try every promise of what they offer.

    Exit code 2 if one is broken, in conflict, heavy to import, or breaks a promise.
    """
    results = _probed(plugins_dir, names or ())
    verdicts = _judged(results, every(plugins_dir)) if names else {}
    if as_json:
        print(json.dumps([_checked(result, verdicts) for result in results], indent=1))
    else:
        _print_records((record for record, _ in results), as_json)
        for line in (line for judged in verdicts.values() for line in _lines(judged)):
            print(line)
    for record, heavy in results:
        if heavy:
            print(
                f"{record.name}: imports {', '.join(heavy)} at once; import them in the builder instead.",
                file=sys.stderr,
            )
    kept = all(verdict["status"] != "broken" for judged in verdicts.values() for verdict in judged)
    if not kept or any(record.status != "active" or heavy for record, heavy in results):
        raise typer.Exit(2)


def _judged(results: Sequence[Probed], found: Iterable[Found]) -> dict[str, list[dict[str, str]]]:
    from prefrl.probe import judge

    doors = {one.record.name: one for one in found}
    return {record.name: judge(doors[record.name]) for record, _ in results if record.status == "active"}


def _checked(result: Probed, verdicts: Mapping[str, list[dict[str, str]]]) -> dict[str, Any]:
    record, heavy = result
    judged = {"promises": verdicts[record.name]} if record.name in verdicts else {}
    return {**asdict(record), "heavy": heavy, **judged}


def _lines(verdicts: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """What is offered, how many promises it keeps, and of the others what was seen and how to mend it."""
    for (kind, name), group in groupby(verdicts, key=lambda verdict: (verdict["kind"], verdict["name"])):
        judged = list(group)
        kept = sum(verdict["status"] == "kept" for verdict in judged)
        yield f"{kind}: {name}: {kept} of {len(judged)} promises kept"
        reasons = {verdict["seen"] for verdict in judged if verdict["status"] == "not tried"}
        yield from (f"    not tried: {reason}" for reason in sorted(reasons))
        for verdict in judged:
            if verdict["status"] == "broken":
                yield f"    broken: {verdict['promise']}: {verdict['says']}"
                yield f"        seen: {verdict['seen']}"
                yield from ([f"        mend: {verdict['mend']}"] if verdict["mend"] else [])


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the distribution, e.g. my-teacher.")],
    kind: Annotated[
        str, typer.Option(help="source, selector, reward_model, loss, learner or procedure.", metavar="KIND")
    ],
    into: Annotated[Path, typer.Option(metavar="DIR", help="Where its folder is made.")] = Path(),
) -> None:
    """Write a complete distribution of a plugin, which passes its own tests at once."""
    from prefrl import scaffold
    from prefrl.plugins import PluginHost

    plural = scaffold.KINDS[kind].plural if kind in scaffold.KINDS else "sources"
    for path in scaffold.write(name, kind, into, PluginHost.from_environment().specs(plural)):
        print(path)
    print(f"\nnext: pip install -e '{into / name}[test]', then pytest {into / name} and prefrl plugins check {name}")


def _described(kind: str, spec: Spec) -> dict[str, Any]:
    needs = "as its options say" if callable(spec.needs) else ", ".join(sorted(spec.needs))
    options = spec.options.model_json_schema().get("properties", {})
    return {"kind": kind, "name": spec.name, "summary": spec.summary, "needs": needs, "options": options}


@app.command("show")
def show(
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
