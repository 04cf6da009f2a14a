"""A name and a kind come in; a complete distribution of a plugin, with tests that pass, is written.

The templates beside this file are what a first plugin of each kind looks like; `KINDS` says what differs between them.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prefrl.errors import ConfigError, choices
from prefrl.specs import API_VERSION

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 50  # characters of a name
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a plugin of one kind is made of."""

    plural: str  # of its hook
    spec: str
    noun: str
    summary: str
    fields: str  # of the options model
    example: str  # YAML that uses it; {} is the name
    declared: tuple[str, ...] = ()  # more arguments of the spec
    requires: tuple[str, ...] = ("numpy>=1.26",)  # beside prefrl


KINDS: Mapping[str, Kind] = MappingProxyType({
    "source": Kind(
        "sources", "SourceSpec", "source", "prefers the clip that acts more calmly",
        'margin: float = Field(0.0, ge=0, description="clips whose mean squared actions are nearer than this are tied")',
        "sources:\n  {}: {{margin: 0.01}}", ('answers=frozenset({"pair", "ranking"})',),
    ),
    "selector": Kind(
        "selectors", "SelectorSpec", "selector", "asks about the clips that moved most",
        'moved: Literal["most", "least"] = Field("most", description="which clips are asked about")',
        "queries: {{selector: {}, moved: most}}",
    ),
    "reward_model": Kind(
        "reward_models", "RewardModelSpec", "reward model", "a reward that is linear in observation and action",
        'initial_scale: float = Field(0.1, gt=0, description="standard deviation of the first weights")',
        "reward: {{model: {}, initial_scale: 0.1}}", (), ("numpy>=1.26", "torch"),
    ),
    "loss": Kind(
        "losses", "LossSpec", "loss", "a squared hinge: the preferred clip should be a margin ahead",
        'margin: float = Field(1.0, gt=0, description="how far ahead the preferred clip should be")',
        "reward: {{loss: {{name: {}, margin: 1.0}}}}", ('kinds=frozenset({"pair"})',), ("torch",),
    ),
    "learner": Kind(
        "learners", "LearnerSpec", "learner", "hill climbing of a linear policy on the learned reward",
        'rollout: int = Field(100, ge=1, description="steps of every environment in which a change is tried")\n'
        '    step_size: float = Field(0.1, gt=0, description="standard deviation of a change of the weights")',
        "algo: {{name: {}, n_timesteps: 100_000, rollout: 200}}", (), ("numpy>=1.26", "gymnasium"),
    ),
    "procedure": Kind(
        "procedures", "ProcedureSpec", "procedure", "asks everything first, then learns to the end",
        'fits: int = Field(1, ge=1, description="how often the reward model is fitted to the answers")',
        "procedure: {{name: {}, fits: 2}}", (), (),
    ),
})  # fmt: skip


def write(name: str, kind: str, folder: Path, taken: Mapping[str, object] = MappingProxyType({})) -> list[Path]:
    """Write the distribution `name` into `folder`/`name`; the files. `taken` are the names of that kind already offered.

    Raises `ConfigError` for a name that cannot be used, an unknown kind or a folder that is there.
    """
    if kind not in KINDS:
        raise ConfigError(f"--kind: there is no kind '{kind}'. {choices(kind, KINDS)}")
    module = _module(name, taken)
    target = folder / name
    if target.exists():
        raise ConfigError(f"{target} is there already; choose another name, or another folder with --into.")
    values = _values(name, module, kind)
    files = {
        "pyproject.toml": "pyproject.toml.j2",
        "README.md": "README.md.j2",
        f"{module}/__init__.py": "init.py.j2",
        f"{module}/options.py": "options.py.j2",
        f"{module}/{kind}.py": f"{kind}/code.py.j2",
        f"tests/test_{module}.py": f"{kind}/test.py.j2",
    }
    pages = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701  Python, not HTML
    written = {target / path: pages.get_template(template).render(values) for path, template in files.items()}
    for path, text in {**written, target / module / "py.typed": ""}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(written)


def nearest(name: str) -> str:
    """A name that could be used, as near as may be."""
    words = re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()).strip("-")
    return re.sub(r"^(?=[0-9])|^$", "my-", words)[:LONGEST].strip("-")


def _module(name: str, taken: Mapping[str, object]) -> str:
    """The module of the distribution; its name must be new to Python, and what it offers new to prefrl."""
    form = f"a name is lower-case letters, digits and single hyphens, at most {LONGEST}"
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise ConfigError(f"'{name[:80]}' is no name for a plugin: {form}. Did you mean '{nearest(name)}'?")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise ConfigError(f"'{name}' cannot be imported as a module of its own: the name is taken. Try 'my-{name}'.")
    if module in taken:
        raise ConfigError(f"'{module}' is offered already, see `prefrl plugins show {module}`. Try 'my-{name}'.")
    return module


def _values(name: str, module: str, kind: str) -> dict[str, object]:
    made = KINDS[kind]
    version = ".".join(metadata.version("prefrl").split(".")[:2])
    return {
        "name": name, "module": module, "offered": module, "kind": kind, "version": version, "api": API_VERSION,
        "title": "".join(word.title() for word in module.split("_")),
        "plural": made.plural, "spec": made.spec, "noun": made.noun, "declared": made.declared,
        "summary": f"{made.summary[0].upper()}{made.summary[1:]}.", "short": made.summary, "fields": f"    {made.fields}",
        "example": made.example.format(module),
        "requires": ", ".join(f'"{requirement}"' for requirement in (*made.requires, "pydantic>=2.11")),
    }  # fmt: skip
