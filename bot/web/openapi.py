"""The API described by OpenAPI 3.1, made from the tools' own models, so that it cannot drift."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.json_schema import models_json_schema

from bot.command import Command
from compute.tool import Fix

REF = "#/components/schemas/{model}"
DISTRIBUTION = "kernels-to-clusters"


class ErrorDetail(BaseModel):
    """Why a request was not answered, in a sentence, and the nearest thing that works."""

    model_config = ConfigDict(frozen=True)

    message: str
    field: str | None = Field(description="the request's field, where one is at fault")
    given: str | None = Field(description="the value as it was understood")
    nearest: list[str] = Field(description="valid values close to it, best first")
    example: str | None = Field(description="one value that works")
    fixes: list[Fix] = Field(description="changes of the request that would work")
    ref: str = Field(description="short reference that is also in the server's log")


class Error(BaseModel):
    """The one shape of every error."""

    model_config = ConfigDict(frozen=True)

    error: ErrorDetail


def program_version() -> str:
    """The installed version."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0"


def openapi(commands: Mapping[str, Command]) -> dict[str, Any]:
    """The document. Requests are described under their short names; field names work as well."""
    models: list[tuple[type[BaseModel], Any]] = [(Error, "serialization")]
    for command in commands.values():
        models += [(command.tool.request, "validation"), (command.tool.result, "serialization")]
    refs, definitions = models_json_schema(models, by_alias=True, ref_template=REF)
    by_model = {model: ref for (model, _), ref in refs.items()}
    paths: dict[str, Any] = {
        f"/api/tools/{name}": {"post": _operation(command, by_model)}
        for name, command in commands.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kernels to clusters",
            "version": program_version(),
            "description": "The community's tools as JSON: the same numbers as in Discord, in "
            "the terminal and on the pages. No key is needed; calls are limited per address.",
        },
        "paths": {**paths, **_fixed_paths()},
        "components": {"schemas": definitions.get("$defs", {})},
    }


def _operation(command: Command, refs: Mapping[Any, Any]) -> dict[str, Any]:
    tool = command.tool
    answer = {
        "type": "object",
        "required": ["id", "url", "request", "result", "text"],
        "properties": {
            "id": {"type": "string", "description": "128 bits, unguessable"},
            "url": {
                "type": ["string", "null"],
                "description": "the answer's page; null if it could not be kept",
            },
            "request": refs[tool.request],
            "result": refs[tool.result],
            "text": {"type": "string", "description": "the answer in words"},
        },
    }
    return {
        "operationId": f"run_{tool.name}",
        "summary": tool.title,
        "description": tool.summary + " Fields go by short name or by full name.",
        "requestBody": {"required": True, "content": _json(refs[tool.request])},
        "responses": {
            "200": {"description": "The answer.", "content": _json(answer)},
            "400": _error("Not JSON, or not an object."),
            "413": _error("The body is too large."),
            "415": _error("The body is not declared as JSON."),
            "422": _error("A refusal: which field, what is allowed, what is near."),
            "429": {
                **_error("Too many calls from this address."),
                "headers": {
                    "Retry-After": {"description": "seconds", "schema": {"type": "integer"}}
                },
            },
        },
    }


def _fixed_paths() -> dict[str, Any]:
    anything = {"type": "object", "additionalProperties": True}
    listed = {"description": "The list.", "content": _json(anything)}
    return {
        "/api/tools": {
            "get": {
                "operationId": "list_tools",
                "summary": "Every tool with the JSON schemas of its request and result",
                "responses": {"200": listed},
            }
        },
        "/api/suggest": {
            "get": {
                "operationId": "suggest",
                "summary": "Completions for the value of an option",
                "parameters": [_query(n) for n in ("command", "option", "text")],
                "responses": {"200": listed, "404": _error("No such command or option.")},
            }
        },
        "/api/results/{id}": {
            "delete": {
                "operationId": "delete_result",
                "summary": "Delete an answer with the key that was sent when it was asked for",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {
                        "name": "X-Delete-Key",
                        "in": "header",
                        "required": True,
                        "schema": {"type": "string"},
                    },
                ],
                "responses": {
                    "204": {"description": "It is gone."},
                    "404": _error("No such answer, or not yours."),
                },
            }
        },
    }


def _query(name: str) -> dict[str, JsonValue]:
    return {"name": name, "in": "query", "required": name != "text", "schema": {"type": "string"}}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _error(description: str) -> dict[str, Any]:
    return {"description": description, "content": _json({"$ref": REF.format(model="Error")})}
