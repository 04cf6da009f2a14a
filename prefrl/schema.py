"""The registered options models come in; one JSON schema of a run's YAML goes out, for editors that complete keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from prefrl.config import Registry, inner_model
from prefrl.settings import Choice, Chosen, NamedOptions, RunSettings

Json = dict[str, Any]


def schema(registry: Registry) -> Json:
    """JSON Schema (2020-12) of what `config.resolve` accepts with the plugins of `registry`."""
    defs: Json = {}
    whole = _section(RunSettings, registry, defs)
    files = {"type": ["string", "array"], "items": {"type": "string"}, "description": "files this one builds on"}
    whole["properties"] = {"extends": files, **whole["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "prefrl run", **whole, "$defs": defs}


def _section(model: type[BaseModel], registry: Registry, defs: Json) -> Json:
    if issubclass(model, Chosen):
        return _chosen(model, registry, defs)
    properties = _properties(model, registry, defs)
    return {"type": "object", "properties": properties, "required": _required(model), "additionalProperties": False}


def _required(model: type[BaseModel]) -> list[str]:
    return [name for name, info in model.model_fields.items() if info.is_required()]


def _properties(model: type[BaseModel], registry: Registry, defs: Json) -> Json:
    """Properties by key; nested sections and choices are spelt out."""
    properties = _flat(model, defs)
    for name, info in model.model_fields.items():
        choice = next((item for item in info.metadata if isinstance(item, Choice)), None)
        inner, shape = inner_model(info.annotation)
        if choice is not None:
            properties[name] = _choice(choice.registry, registry, defs)
        elif inner is not None and name != "options":
            section = _section(inner, registry, defs)
            if shape == "many":
                section = {"type": "object", "additionalProperties": {"anyOf": [section, {"type": "null"}]}}
            properties[name] = {"anyOf": [section, {"type": "null"}]} if shape == "optional" else section
    return properties


def _flat(model: type[BaseModel], defs: Json) -> Json:
    """The model's own properties; what they refer to moves into `defs`."""
    made = model.model_json_schema(ref_template="#/$defs/{model}")
    defs.update(made.get("$defs", {}))
    return dict(made.get("properties", {}))


def _chosen(model: type[Chosen], registry: Registry, defs: Json) -> Json:
    own = {name: made for name, made in _properties(model, registry, defs).items() if name != "options"}
    default = model.model_fields[model.key].default
    variants = []
    for name, spec in registry.specs(model.registry).items():
        variant = _object({**own, model.key: {"const": name}}, _flat(spec.options, defs), spec.summary)
        named = [] if default in {name, ""} else [model.key]
        variants.append({**variant, "required": [*named, *_required(spec.options)]})
    return {"anyOf": variants}


def _choice(kind: str, registry: Registry, defs: Json) -> Json:
    specs = registry.specs(kind)
    if not specs:
        return {"anyOf": [{"type": "null"}, {"type": "array", "maxItems": 0}]}
    coef = _flat(NamedOptions, defs)["coef"]
    named = [
        {
            **_object({"name": {"const": name}, "coef": coef}, _flat(spec.options, defs), spec.summary),
            "required": ["name", *_required(spec.options)],
        }
        for name, spec in specs.items()
    ]
    keyed = {"type": "object", "properties": {name: {"description": spec.summary} for name, spec in specs.items()}}
    one = [{"enum": list(specs)}, *named, {**keyed, "additionalProperties": False}]
    return {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}}, {"type": "null"}]}


def _object(own: Mapping[str, Any], options: Mapping[str, Any], description: str) -> Json:
    return {
        "type": "object",
        "description": description,
        "properties": {**own, **options},
        "additionalProperties": False,
    }
