"""The OpenAPI document is sound, and describes what the API really does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bot.commands import load_commands
from bot.web.openapi import openapi
from tests.bot.web.conftest import COMMANDS, Pages

METHODS = {"get", "post", "delete"}


@pytest.fixture(params=["tests", "product"])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    commands = COMMANDS if request.param == "tests" else load_commands()
    made: dict[str, Any] = json.loads(json.dumps(openapi(commands)))
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        assert path.startswith("/") and set(item) <= METHODS
        for operation in item.values():
            yield path, operation


def refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from refs(value)
    elif isinstance(part, list):
        for value in part:
            yield from refs(value)


def schemas(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        if "schema" in part:
            yield part["schema"]
        for value in part.values():
            yield from schemas(value)
    elif isinstance(part, list):
        for value in part:
            yield from schemas(value)


def test_the_document_has_the_shape_that_openapi_3_1_asks_for(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] and document["info"]["version"]
    ids = []
    for path, operation in operations(document):
        ids.append(operation["operationId"])
        assert operation["responses"], path
        for status, response in operation["responses"].items():
            assert status.isdigit() and response["description"]
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        for parameter in operation.get("parameters", []):
            assert parameter["in"] in ("path", "query", "header") and "schema" in parameter
            assert parameter["required"] or parameter["in"] != "path"
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere_and_every_schema_is_one(document: dict[str, Any]) -> None:
    known = document["components"]["schemas"]
    for ref in refs(document):
        prefix, _, name = ref.rpartition("/")
        assert prefix == "#/components/schemas" and name in known, ref
    for schema in [*known.values(), *schemas(document["paths"])]:
        Draft202012Validator.check_schema(schema)


def test_requests_are_described_under_their_short_names() -> None:
    schema = openapi(load_commands())["components"]["schemas"]["ThroughputRequest"]
    assert {"gpus", "batch", "input", "output", "dtype"} <= set(schema["properties"])
    assert schema["required"] == ["gpu", "model"]


async def test_real_answers_and_errors_are_as_the_document_says(pages: Pages) -> None:
    document = json.loads(await pages.page("/api/openapi.json"))
    responses = document["paths"]["/api/tools/kv"]["post"]["responses"]
    for body, status in (({"layers": 2}, 200), ({"layers": 0}, 422), ([], 400)):
        async with pages.http.post("/api/tools/kv", json=body) as reply:
            assert reply.status == status
            answer = await reply.json()
        schema = responses[str(status)]["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        assert not list(Draft202012Validator(whole).iter_errors(answer))
