"""Lines of prefrl drawn by a seed come in, each changed in a copy of the tree; which of them the tests notice goes out.

    python tests/soak/mutations.py --seed 0 --number 20

A change is small and of a kind that people make: a comparison, an operator, a number, a condition turned round, a call left
out. First the tests run that carry the module's name, then those of its folder and those that name it. A change counts as
caught if a test fails that passes on the unchanged copy.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("prefrl", "envs", "plugins", "configs", "tests", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md", "RELEASING.md", "Makefile", "LICENSE", "CITATION.cff", "CHANGELOG.md")  # fmt: skip
WANTED = 0.9  # share that must be caught
PATIENCE = 900  # seconds for one set of tests; a change that makes it hang is caught
SWAPPED = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "is not": "is", "is": "is not", "not in": "in",
    "in": "not in", "+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "%": "*", "**": "*", "and": "or", "or": "and",
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One change of one file: characters [start, stop) become `new`."""

    path: Path  # below the root
    line: int
    start: int
    stop: int
    new: str

    def applied(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.stop :]

    def shown(self, text: str) -> str:
        begin, end = text.rfind("\n", 0, self.start) + 1, text.find("\n", self.stop)
        changed = self.applied(text)
        after = changed[begin : end + len(changed) - len(text)]
        return f"{self.path}:{self.line}\n    - {text[begin:end].strip()}\n    + {after.strip()}"


# --- what can be changed ---------------------------------------------------------------------------------------------


def mutations(path: Path) -> Iterator[Mutation]:
    """Every change that could be made to one module."""
    text = (ROOT / path).read_text(encoding="utf-8")
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    data = text.encode()

    def place(line: int, column: int) -> int:
        return len(data[: starts[line - 1] + column].decode())

    def of(node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)

    for node in _executed(ast.parse(text)):
        for start, stop, new in _changes(node, text, of):
            yield Mutation(path, text.count("\n", 0, start) + 1, start, stop, new)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run: without annotations, docstrings and what only type checkers read."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return
    yield tree
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "decorator_list", "bases"} and not isinstance(tree, ast.ExceptHandler):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield from _executed(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST, text: str, span: Callable[..., tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    if isinstance(node, ast.Compare):
        for left, right in zip([node.left, *node.comparators], node.comparators, strict=False):
            yield from _operator(text, span(left)[1], span(right)[0])
    elif isinstance(node, ast.BinOp):
        yield from _operator(text, span(node.left)[1], span(node.right)[0])
    elif isinstance(node, ast.BoolOp):
        yield from _operator(text, span(node.values[0])[1], span(node.values[1])[0])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        start, _ = span(node)
        yield start, start + len("not"), ""
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        start, stop = span(node)
        yield start, stop, str(not node.value) if isinstance(node.value, bool) else repr(node.value + 1)
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        start, stop = span(node.test)
        yield start, stop, f"(not ({text[start:stop]}))"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        start, stop = span(node)
        yield start, stop, "pass"


def _operator(text: str, start: int, stop: int) -> Iterator[tuple[int, int, str]]:
    """The operator between two operands; brackets around them stay."""
    found = re.search(
        r"<<|>>|\bis\s+not\b|\bnot\s+in\b|\bis\b|\bin\b|\band\b|\bor\b|\*\*|//|[<>=!]=|[<>+\-*/%]", text[start:stop]
    )
    if found is not None and (new := SWAPPED.get(" ".join(found[0].split()))) is not None:
        yield start + found.start(), start + found.end(), new


def drawn(seed: int, number: int) -> list[Mutation]:
    """One change in each of `number` lines, every line that can be changed being as probable."""
    modules = sorted(
        path.relative_to(ROOT) for path in (ROOT / "prefrl").rglob("*.py") if "migrations" not in path.parts
    )
    lines: dict[tuple[Path, int], list[Mutation]] = {}
    for path in modules:
        for mutation in mutations(path):
            lines.setdefault((path, mutation.line), []).append(mutation)
    rng = random.Random(seed)
    return [rng.choice(lines[key]) for key in rng.sample(sorted(lines), number)]


# --- which tests notice ----------------------------------------------------------------------------------------------


def stages(path: Path) -> list[list[str]]:
    """Test files to run one set after the other: those of the module's name, then of its folder and those that name it."""
    inside = path.relative_to("prefrl")
    own = Path("tests") / inside.parent / f"test_{inside.stem}.py"
    named = {str(own)} if (ROOT / own).exists() else set()
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    pattern = re.compile(
        rf"\b{re.escape(module)}\b|from {re.escape(module.rpartition('.')[0])} import .*\b{path.stem}\b"
    )
    near = set()
    for file in sorted((ROOT / "tests").rglob("test_*.py")) + sorted((ROOT / "plugins").glob("*/tests/test_*.py")):
        short = file.relative_to(ROOT)
        in_folder = inside.parent != Path() and short.parent == Path("tests") / inside.parent
        if "soak" not in short.parts and (in_folder or pattern.search(file.read_text(encoding="utf-8"))):
            near.add(str(short))
    rest = ["tests/procedures/test_run.py", "tests/test_cli.py", "tests/test_lifecycle.py"]
    return [sorted(chosen) for chosen in (named, near - named, set(rest) - near - named) if chosen]


def failing(folder: Path, tests: Sequence[str]) -> str | None:
    """The first test that fails there, "a hang", or None."""
    sources = [folder, folder / "envs", *(folder / "plugins").iterdir()]
    environ = {
        **os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources)), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
        "PREFRL_TEST_LIMIT": "inf",
    }  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "--timeout=0", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return "a hang"
    if done.returncode in {0, 5}:
        return None
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, flags=re.MULTILINE)
    return found[1] if found is not None else "an error before any test"


def caught(folder: Path, mutation: Mutation) -> str | None:
    """The test that fails because of the change, or None; tests that fail on the unchanged copy too are left out."""
    file = folder / mutation.path
    text = file.read_text(encoding="utf-8")
    broken: list[str] = []
    for tests in stages(mutation.path):
        while True:
            file.write_text(mutation.applied(text), encoding="utf-8")
            try:
                found = failing(folder, [*tests, *(f"--deselect={name}" for name in broken)])
            finally:
                file.write_text(text, encoding="utf-8")
            if found is None:
                break
            name = found.split("[")[0]
            if "::" not in name or failing(folder, [name]) is None:
                return found
            broken.append(name)
    return None


def main() -> int:
    """Exit code 1 if too few are caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, default=20)
    parser.add_argument("--begin", type=int, default=1, help="with this one; those before it were tried already")
    given = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in COPIED:
            source, target = ROOT / part, folder / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "_build", "soak"))
            else:
                shutil.copy(source, target)
        tried = drawn(given.seed, given.number)[given.begin - 1 :]
        for number, mutation in enumerate(tried, start=given.begin):
            print(f"{number}. {mutation.shown((ROOT / mutation.path).read_text(encoding='utf-8'))}", flush=True)
            found = caught(folder, mutation)
            missed += found is None
            print(f"    {'NOT CAUGHT' if found is None else f'caught by {found}'}", flush=True)
    print(f"{len(tried) - missed} of {len(tried)} caught (seed {given.seed})")
    return int(len(tried) - missed < WANTED * len(tried))


if __name__ == "__main__":
    sys.exit(main())
