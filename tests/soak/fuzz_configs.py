"""Damaged and invented configurations go through the path of `prefrl config check`: none may end in a traceback.

    python tests/soak/fuzz_configs.py [--mutated 10000] [--structured 2000] [--seed 0]

Mutated ones are shipped files (configs/) with bytes, lines or tokens changed. Structured ones are drawn from the JSON schema
of everything registered, and then spoilt: wrong types and node kinds, unknown and missing keys, numbers out of range or huge,
odd text, anchors, aliases, merges and tags, circles of files. Every error must be a `PrefrlError` that names its place, and what
resolves must be written to YAML and read again as the same settings. Prints counts by kind; exit code 1 at the first breach,
with the text that shows it.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from prefrl import config
from prefrl.bench.suite import is_suite
from prefrl.errors import PrefrlError
from prefrl.plugins import PluginHost
from prefrl.schema import schema
from prefrl.tree import parse

ROOT = Path(__file__).parents[2]
PLACED = re.compile(r"(.+\.yaml:\d+:\d+|default: [\w.]+|plugins): ")
TOKEN = re.compile(r"[\w./-]+|[^\w\s]")
NUMBERS = ["0", "-1", "1e999", "-1e400", ".nan", "-.inf", "9" * 30, "9" * 5000, "0x" + "f" * 5000, "1_0", "0o8", "1__", "5e-324", "1.5"]  # fmt: skip
TEXTS = [
    "", " ", "é", "\U0001f916", "\u202e", "\x85", "\u2028", "\ufeff", "a\nb", "a\tb", "\x07", "'", '"', "#", "%", "~", "null",
    "on", "true", "3", "=", "<<", "ä" * 300, "lin_nan", "lin_", "lin_-1", "dict(", "dict(a=1)", "dict(**a)", "nn.Nothing",
    "~" * 900 + "1", "[" * 300, "-" * 300 + "1", "0x" + "f" * 5000, "../../x", "ppo", "oracle", "\u0130", "NaN", "1e3", "__class__",
]  # fmt: skip
ODD = [
    *NUMBERS, "null", "true", "~", "[]", "{}", "[[]]", "{a: }", "&a", "*a", "<<", "!!int", "!!bool maybe", "!!python/name:os.system",
    "!x", "|", ">-", "? ", "- ", ": ", "'", '"', "%YAML 1.2", "%TAG ! tag:x,2026:", "---", "...", "\t", "\0", "\x07", "\ufeff",
    '"\\uD800"', '"\\U00110000"', '"\\UFFFFFFFF"', '"\\x00"', '"\\u2028"', "é", "@", "`", "#", "{{}}", "[*a, *a]", "off", "lin_1e-3",
]  # fmt: skip


# --- damage ----------------------------------------------------------------------------------------------------------


def mutated(rng: random.Random, shipped: list[str]) -> bytes:
    """One of the shipped texts after one to four changes of bytes, lines or tokens."""
    data = rng.choice(shipped).encode()
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        data = rng.choice((_bytes, _lines, _tokens, _tokens))(rng, data, shipped)
    return data


def _bytes(rng: random.Random, data: bytes, shipped: list[str]) -> bytes:
    at, length = rng.randint(0, len(data)), rng.choice((0, 1, 1, 2, 8))
    ascii = bytes([rng.randrange(32, 127)])
    new = rng.choice((b"", ascii, ascii, ascii, bytes([rng.randrange(256)]), rng.choice(ODD).encode()))
    return data[:at] + new + data[at + length :]


def _lines(rng: random.Random, data: bytes, shipped: list[str]) -> bytes:
    lines = data.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = rng.choice((b" ", b"  ", b"\t", b"- ")) + lines[at]
        case _:
            lines.insert(at, rng.choice(rng.choice(shipped).split("\n")).encode())
    return b"\n".join(lines)


def _tokens(rng: random.Random, data: bytes, shipped: list[str]) -> bytes:
    text = data.decode(errors="surrogateescape")
    spans = [match.span() for match in TOKEN.finditer(text)]
    if not spans:
        return data
    begin, end = rng.choice(spans)
    foreign = rng.choices(TOKEN.findall(rng.choice(shipped)), k=3)
    new = rng.choice(("", text[begin:end] * 2, rng.choice(ODD), rng.choice(NUMBERS), rng.choice(TEXTS), *foreign))
    return (text[:begin] + new + text[end:]).encode(errors="surrogateescape")


# --- invention -------------------------------------------------------------------------------------------------------


def structured(rng: random.Random, whole: Mapping[str, Any]) -> bytes:
    """A configuration that the schema allows, in most cases spoilt afterwards."""
    value = drawn(rng, whole, whole["$defs"], 0)
    value.pop("extends", None)
    value.pop("plugins", None)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        value = spoilt(rng, value)
    text = yaml.safe_dump(
        value, sort_keys=False, allow_unicode=rng.random() < 0.5, default_flow_style=rng.choice((None, False))
    )
    for _ in range(rng.choice((0, 0, 1, 2))):
        text = _decorated(rng, text)
    return text.encode(errors="surrogatepass")


def drawn(rng: random.Random, node: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> Any:
    """A random value of a JSON schema."""
    if "$ref" in node:
        return drawn(rng, defs[node["$ref"].rpartition("/")[2]], defs, depth)
    if "const" in node or "enum" in node:
        return node["const"] if "const" in node else rng.choice(node["enum"])
    for union in ("anyOf", "oneOf", "allOf"):
        if union in node:
            return drawn(rng, rng.choice(node[union]), defs, depth)
    kind = node.get("type", "null")
    match rng.choice(kind) if isinstance(kind, list) else kind:
        case "object":
            return _drawn_object(rng, node, defs, depth)
        case "array":
            parts = node.get("prefixItems") or [node.get("items") or {"type": "string"}] * rng.randint(
                0, node.get("maxItems", 3)
            )
            return [drawn(rng, part, defs, depth + 1) for part in parts]
        case "integer":
            return _drawn_number(rng, node)
        case "number":
            return _drawn_number(rng, node)
        case "boolean":
            return rng.random() < 0.5
        case "string":
            return rng.choice(("auto",) if "auto" in node.get("pattern", "") else ("run", "lin_1e-3", "HalfCheetah-v5"))
        case _:
            return None


def _drawn_object(rng: random.Random, node: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties, extra = node.get("properties", {}), node.get("additionalProperties")
    needed = {*node.get("required", ()), *(key for key, one in properties.items() if "const" in one)}
    chosen = [key for key in properties if key in needed or rng.random() < 0.6 / (1 + depth)]
    value = {key: drawn(rng, properties[key], defs, depth + 1) for key in chosen}
    if isinstance(extra, Mapping):
        names = rng.sample(("oracle", "file", "ann"), rng.randint(0, 2))
        value |= {name: drawn(rng, extra, defs, depth + 1) for name in names}
    return value


def _drawn_number(rng: random.Random, node: Mapping[str, Any]) -> float:
    low = node.get("minimum", node.get("exclusiveMinimum", 0))
    high = node.get("maximum", node.get("exclusiveMaximum", max(low, 1) * 100))
    if node["type"] == "integer":
        return rng.choice((low, high, rng.randint(low, high)))
    inside = rng.uniform(low, high)
    return rng.choice((inside, node.get("minimum", inside), node.get("maximum", inside), round(inside) or inside))


def spoilt(rng: random.Random, value: Any) -> Any:
    """`value` with something wrong at a random place of it."""
    place = rng.choice(list(_places(value)))
    changes: list[Callable[[Any], Any]] = [
        lambda _: rng.choice((True, None, 0, -1, 3.5, [], {}, "text", [1, "a", {}], {"a": {"b": 1}})),
        lambda _: rng.choice(TEXTS),
        lambda _: rng.choice(
            (10**30, -(10**30), 10**400, 1e308, float("nan"), float("inf"), -float("inf"), 2**63, 2**32)
        ),
        lambda old: [old] if rng.random() < 0.5 else {rng.choice(TEXTS): old},
        lambda old: list(old) if isinstance(old, dict) else dict(enumerate(old)) if isinstance(old, list) else str(old),
        lambda old: (
            {**old, rng.choice((*TEXTS, "nmae", "options", "name")): 1} if isinstance(old, dict) else {"options": old}
        ),
        lambda old: {k: v for k, v in old.items() if rng.random() < 0.6} if isinstance(old, dict) else None,
        lambda old: {"name": rng.choice(("ppo", "bradley_terry", "no_such", "")), "coef": old},
    ]
    return _replaced(value, place, rng.choice(changes)) or {"env": None}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _places(child, (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    made = dict(value) if isinstance(value, dict) else list(value)
    made[path[0]] = _replaced(value[path[0]], path[1:], change)
    return made


_HEADS = ["%YAML 1.1\n---", "%YAML 1." + "9" * 5000 + "\n---", "%TAG ! x\n---", "---", "--- !!map", "\ufeff"]
_BASES = ["a.yaml", "[b.yaml, c.yaml]", "none.yaml", "[]", "3", ".", "/", "é", "[[a.yaml]]", "a.yaml\nextends: a.yaml"]
_PATHS = ["\\uD800", "\\uDC80.yaml", "\\0", "a" * 5000, "\\n", "a/" * 900]
_MODULES = ["[no_such_module]", "", "[]", '[""]', "[..x]", "[a b]", "{a: 1}", "[[a]]", '["a.\\uD800"]', '["a\\n\\0"]']
_TAGS = ["&a ", "!!str ", "!!int ", "!!map ", "!!seq ", "!!bool ", "!x ", "*a "]
_MERGES = ["<<: *a", "<<: {a: 1}", "<<: [1]", "x: &a {b: 1}", "x: &a [*a]", "env: &a {<<: *a}"]
_TAILS = [" # ", " :", ' "', " &a", " ]", ", a: 1}"]


def _decorated(rng: random.Random, text: str) -> str:
    """Anchors, aliases, merges, tags, directives, files to extend and modules to load."""
    lines = text.splitlines() or [""]
    at = rng.randrange(len(lines))
    match rng.randrange(7):
        case 0:
            lines[at] = lines[at].replace(": ", ": " + rng.choice(_TAGS), 1)
        case 1:
            lines.insert(at, rng.choice(_MERGES))
        case 2:
            lines.insert(0, rng.choice(_HEADS))
        case 3:
            lines.insert(0, "extends: " + rng.choice(_BASES))
        case 4:
            lines.insert(0, f'extends: "{rng.choice(_PATHS)}"')
        case 5:
            lines.insert(0, "plugins: " + rng.choice(_MODULES))
        case _:
            lines[at] += rng.choice(_TAILS) + rng.choice(ODD)
    return "\n".join(lines)


# --- judgement -------------------------------------------------------------------------------------------------------


class Breach(AssertionError):
    """What must not happen: a traceback, an error without its place, or settings that change on the way through YAML."""


def judge(path: Path, host: PluginHost) -> str:
    """How `prefrl config check` ends for the file: "resolves", or the kind of error; `Breach` if it must not end so."""
    try:
        tree = config.read(path)
        modules = config.plugins_of(tree)
        registry = PluginHost.from_environment(None, modules) if modules else host
        settings = config.resolve(tree, registry)
        text = config.dump(settings)
    except PrefrlError as error:
        stray = [line for line in str(error).split("\n") if not PLACED.match(line)]
        if stray:
            raise Breach(
                f"{type(error).__name__} without a place: {stray[0][:300]!r} in {str(error)[:300]!r}"
            ) from error
        return f"{type(error).__name__}: {_kind(str(error))}"
    except Exception as error:
        raise Breach(f"a traceback:\n{traceback.format_exc(limit=-6)[-3000:]}") from error
    again = config.dump(config.resolve(parse(text, "again.yaml"), registry))
    if again != text:
        raise Breach(f"the resolved YAML reads as something else:\n{text[:2000]}\n{again[:2000]}")
    return "resolves"


KINDS = {
    "unknown key": r": unknown key\.",
    "unknown name": r" named '",
    "missing": r": is required\.",
    "not among the choices": r" is not allowed\.",
    "duplicate key": r": duplicate key ",
    "file": r"extends|not UTF-8|no such file",
    "module": r"plugin module",
    "node kind": r"a mapping |a list |a name|mappings only|keys are text|a mapping of sections|named '.*' already",
    "tag or scalar": r": tag '|is not a valid",
    "limit": r"expand this file|nested deeper|aliases\.|beyond what",
    "type": r"should be a valid|is expected|should be a finite",
    "range": r"should be (greater|less)|should have at|from 0 on",
    "YAML": r"expected|found |not allowed here|cannot|could not|while |but |undefined|incompatible",
}


def _kind(said: str) -> str:
    """Of the first mistake."""
    first = PLACED.sub("", said.split("\n")[0])
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, first)), "what its own rule says")


def copies(folder: Path) -> list[str]:
    """The shipped files, copied into `folder` so that what they extend is found; and their texts as if they lay in `folder`.

    A part of a run (a method, a teacher) names no task; here it extends a file that does.
    """
    texts = []
    for path in sorted((ROOT / "configs").rglob("*.yaml")):
        if is_suite(path):
            continue
        inside = path.relative_to(ROOT / "configs")
        text = path.read_text(encoding="utf-8")
        (folder / inside.parent).mkdir(parents=True, exist_ok=True)
        (folder / inside).write_text(text, encoding="utf-8")
        extends = re.search(r"^extends: *\[?(.*?)\]?$", text, flags=re.MULTILINE)
        bases = [str(inside.parent / base.strip()) for base in (extends[1].split(",") if extends else ())]
        texts.append(f"extends: [{', '.join(['c.yaml', *bases])}]\n" + re.sub(r"(?m)^extends: .*\n", "", text))
    (folder / "a.yaml").write_text("extends: [b.yaml]\nenv: {id: A}", encoding="utf-8")
    (folder / "b.yaml").write_text("extends: fuzzed.yaml", encoding="utf-8")
    (folder / "c.yaml").write_text("algo: {name: sac}\nenv: {id: A}", encoding="utf-8")
    return texts


def fuzz(n_mutated: int, n_structured: int, seed: int, folder: Path) -> Counter[str]:
    """Counts by outcome; `Breach` with the reproducing text at the first one."""
    host = PluginHost.from_environment()
    shipped, whole, rng = copies(folder), schema(host), random.Random(seed)
    counts: Counter[str] = Counter()
    for i in range(n_mutated + n_structured):
        data = mutated(rng, shipped) if i < n_mutated else structured(rng, whole)
        path = folder / "fuzzed.yaml"
        path.write_bytes(data)
        try:
            counts[("mutated" if i < n_mutated else "structured") + ": " + judge(path, host)] += 1
        except Breach as breach:
            raise Breach(
                f"configuration {i} of seed {seed}: {breach}\n--- the text ---\n{data.decode(errors='backslashreplace')[:4000]}"
            ) from breach
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutated", type=int, default=10_000)
    parser.add_argument("--structured", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            counts = fuzz(arguments.mutated, arguments.structured, arguments.seed, Path(folder))
        except Breach as breach:
            print(breach)
            return 1
    for outcome, n in sorted(counts.items()):
        print(f"{n:7d}  {outcome}")
    print(
        f"{sum(counts.values()):7d}  in {time.perf_counter() - begun:.0f} s: no traceback, every error with its place"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
