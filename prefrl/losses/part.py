"""How YAML names one part of a loss: text or a mapping in, a frozen `Part` out, no torch.

In YAML a part is its name, ``davidson``; its name and main option, ``{noise_floor: 0.1}``; or its name and options,
``{davidson: {nu: 2.0, learn: true}}``. The main option is the first field of its model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from prefrl.errors import choices
from prefrl.options import Options


class PartOptions(Options):
    """Settings of one part."""

    def requires(self) -> frozenset[str]:
        """Keys of `Scores.aux` it reads under these settings."""
        return frozenset()

    def shift_invariant(self) -> bool:
        """Whether adding a constant to all raw scores of a query changes nothing of what it gives."""
        return True


@dataclass(frozen=True, slots=True)
class Part:
    """A part by name, with its settings."""

    name: str
    options: PartOptions


@dataclass(frozen=True)
class OneOf:
    """Pydantic annotation: a `Part` whose name is a key of `table`."""

    table: Mapping[str, type[PartOptions]]
    what: str

    def parse(self, value: Any) -> Part:
        if isinstance(value, Part):
            return value
        name: Any = value
        settings: Any = None
        if isinstance(value, Mapping):
            if len(value) != 1:
                raise ValueError(f"a {self.what} is a name or one {{name: options}}, not {len(value)} keys")
            name, settings = next(iter(value.items()))
        if not isinstance(name, str) or name not in self.table:
            raise ValueError(f"there is no {self.what} {name!r}. {choices(str(name), self.table)}")
        model = self.table[name]
        if settings is not None and not isinstance(settings, Mapping):
            if not model.model_fields:
                raise ValueError(f"{self.what} {name!r} has no options; write just its name")
            settings = {next(iter(model.model_fields)): settings}
        return Part(name, model.model_validate(dict(settings or {})))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(_plain)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        one = {
            "type": "object",
            "properties": {n: {} for n in self.table},
            "additionalProperties": False,
            "maxProperties": 1,
        }
        return {"anyOf": [{"enum": list(self.table)}, one]}


def _plain(part: Part) -> Any:
    settings = part.options.model_dump()
    return {part.name: settings} if settings else part.name
