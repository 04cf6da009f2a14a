"""The verbs of ``prefrl losses``: a name comes in; what there is, what it takes and whether it keeps its promises goes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from prefrl.specs import LossSpec

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="The loss core: what can be minimised, from which answers.",
)

PluginsDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Load each *.py of this folder as a plugin.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A loss.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


def _specs(plugins_dir: Path | None) -> dict[str, LossSpec]:
    from prefrl.plugins import PluginHost

    return dict(sorted(PluginHost.from_environment(plugins_dir).specs("losses").items()))  # type: ignore[arg-type]  # each kind holds its own specs


def _spec(name: str, plugins_dir: Path | None) -> LossSpec:
    from prefrl.plugins import PluginHost

    return PluginHost.from_environment(plugins_dir).spec("losses", name)  # type: ignore[return-value]  # as above


def _record(spec: LossSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "summary": spec.summary,
        "kinds": sorted(spec.kinds),
        "requires": sorted(spec.requires),
        "paper": spec.paper,
        "shift_invariant": spec.shift_invariant,
        "batch_coupled": spec.batch_coupled,
    }


@app.command("list")
def list_(plugins_dir: PluginsDir = None, as_json: Json = False) -> None:
    """List every loss with the kinds of answer it takes; what it needs beside scores stands in brackets."""
    records = [_record(spec) for spec in _specs(plugins_dir).values()]
    if as_json:
        print(json.dumps(records, indent=1))
        return
    names, kinds = (
        max(len(text) for text in texts) for texts in ([r["name"] for r in records], [_kinds(r) for r in records])
    )
    for record in records:
        needs = f" [{', '.join(record['requires'])}]" if record["requires"] else ""
        print(f"{record['name']:{names}}  {_kinds(record):{kinds}}  {record['summary']}{needs}")


def _kinds(record: dict[str, Any]) -> str:
    return "any" if len(record["kinds"]) == 6 else ", ".join(record["kinds"])


@app.command()
def show(name: Name, plugins_dir: PluginsDir = None, as_json: Json = False) -> None:
    """Show what a loss takes, needs and promises, and its options with their defaults."""
    spec = _spec(name, plugins_dir)
    record = _record(spec)
    options = spec.options.model_json_schema().get("properties", {})
    if as_json:
        print(json.dumps(record | {"options": options}, indent=1))
        return
    print(f"{spec.name}: {spec.summary}" + (f" ({spec.paper})" if spec.paper else ""))
    print(f"answers    {', '.join(record['kinds'])}")
    print(f"needs      {', '.join(record['requires']) or 'scores alone'}")
    said = "changes nothing" if spec.shift_invariant else "matters"
    print(f"a constant added to all scores of a question {said}")
    for key, option in options.items():
        default = f" = {json.dumps(option['default'])}" if "default" in option else ""
        print(f"    {key}{default}  {option.get('description', '')}".rstrip())


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Losses; all by default.")] = None,
    plugins_dir: PluginsDir = None,
    as_json: Json = False,
) -> None:
    """Run the conformance suite: what every loss promises, on every kind of answer it takes; exit code 1 if one fails."""
    chosen = [_spec(name, plugins_dir) for name in names] if names else list(_specs(plugins_dir).values())
    from prefrl.testing.losses import check_loss

    found = {spec.name: check_loss(spec) for spec in chosen}
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        for name, results in found.items():
            broken = {promise: seen for promise, seen in results.items() if seen}
            print(f"{name}: {len(results) - len(broken)} of {len(results)} promises kept")
            for promise, seen in broken.items():
                print(f"    {promise}: {seen.splitlines()[0]}")
    if any(seen for results in found.values() for seen in results.values()):
        raise typer.Exit(1)
