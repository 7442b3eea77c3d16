"""Checks every request against Discord's published OpenAPI file, when a copy is at hand."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import referencing
import referencing.jsonschema

from tests.fakes.discord.errors import Problem
from tests.fakes.discord.world import Json

ROOT = Path(__file__).resolve().parents[3]
FORM_TYPES = ("application/json", "multipart/form-data")
# The library sends it on forum posts and Discord takes it; the published file lacks it.
EXTRA_QUERY = frozenset({"use_nested_fields"})


def spec_path() -> Path:
    """Return where the file is expected: K2C_DISCORD_OPENAPI, or beside the project."""
    beside = ROOT.parent / "shared" / "specs" / "discord-openapi.json"
    return Path(os.environ.get("K2C_DISCORD_OPENAPI") or beside)


def _type(validator: Any, types: Any, instance: Any, schema: Json) -> Iterator[Any]:
    """Discord takes "123" where an integer stands and 123 where a snowflake stands."""
    allowed = [types] if isinstance(types, str) else types
    if any(validator.is_type(instance, kind) for kind in allowed):
        return
    if "integer" in allowed and isinstance(instance, str) and instance.lstrip("-").isdigit():
        return
    if schema.get("format") == "snowflake" and isinstance(instance, int):
        return
    yield jsonschema.ValidationError(f"{instance!r:.80} is not {' or '.join(allowed)}")


def _one_branch(validator: Any, branches: Any, instance: Any, schema: Json) -> Iterator[Any]:
    """Report the branch whose ``type`` fits, not every branch that does not."""
    fitting = []
    for branch in branches:
        first = next(iter(validator.descend(instance, branch)), None)
        if first is None:
            return
        where = list(first.path)
        if where != ["type"] and (where or first.validator != "type"):
            fitting.append(branch)
    if len(fitting) == 1:
        yield from validator.descend(instance, fitting[0])
    else:
        yield jsonschema.ValidationError(f"{instance!r:.120} fits none of {len(branches)} shapes")


class Spec:
    """The loaded file; ``problems`` is the only question it answers."""

    def __init__(self, document: Json) -> None:
        self._paths: Json = document["paths"]
        resource = referencing.jsonschema.DRAFT202012.create_resource(document)
        self._registry = referencing.Registry().with_resource("urn:discord", resource)
        base = jsonschema.Draft202012Validator
        rules = {"type": _type, "oneOf": _one_branch, "anyOf": _one_branch}
        self._validator = jsonschema.validators.extend(base, rules)
        self._ready: dict[tuple[str, str], Any] = {}

    def problems(
        self, method: str, template: str, body: Any, query: Mapping[str, str]
    ) -> list[Problem]:
        """Return what is wrong with a request; ``template`` is the path as the file writes it."""
        operation = self._paths.get(template, {}).get(method.lower())
        if operation is None:
            return [((), f"{method} {template} is not a documented route")]
        declared = {p["name"] for p in operation.get("parameters", ()) if p.get("in") == "query"}
        found: list[Problem] = [
            (("query", name), "is not a documented query parameter")
            for name in query
            if name not in declared | EXTRA_QUERY
        ]
        validator = self._body_validator(method, template, operation)
        if validator is not None and body is not None:
            errors = sorted(validator.iter_errors(body), key=lambda e: list(map(str, e.path)))
            found += [(tuple(e.absolute_path), e.message) for e in errors]
        elif body is None and operation.get("requestBody", {}).get("required"):
            found.append(((), "this route needs a body"))
        return found

    def _body_validator(self, method: str, template: str, operation: Json) -> Any:
        key = (method, template)
        if key not in self._ready:
            content = operation.get("requestBody", {}).get("content", {})
            schema = next((content[t]["schema"] for t in FORM_TYPES if t in content), None)
            self._ready[key] = schema and self._validator(
                _absolute(schema), registry=self._registry
            )
        return self._ready[key]


def _absolute(schema: Any) -> Any:
    """Point the schema's references at the whole document."""
    return json.loads(json.dumps(schema).replace('"#/components', '"urn:discord#/components'))


@functools.cache
def load_spec(path: Path) -> Spec | None:
    """Read the file once; ``None`` where there is none."""
    if not path.is_file():
        return None
    return Spec(json.loads(path.read_text(encoding="utf-8")))
