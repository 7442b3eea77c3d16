"""The limits, the pings and the schema of the fake, without a bot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.discord import schema
from tests.fakes.discord.command_limits import check_commands, check_modal
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.limits import COMPONENTS_V2, EPHEMERAL, check_message
from tests.fakes.discord.pings import pings_of

pytestmark = pytest.mark.slow

Json = dict[str, Any]
BLANK: Json = {"content": "", "embeds": [], "components": [], "attachments": [], "flags": 0}
FILE: Json = {"filename": "a.png", "url": "http://cdn/a.png"}


def button(**fields: Any) -> Json:
    return {"type": 2, "style": 1, "label": "Go", "custom_id": "go"} | fields


def row(*components: Json) -> Json:
    return {"type": 1, "components": list(components)}


def text(words: str) -> Json:
    return {"type": 10, "content": words}


def v2(*components: Json, **fields: Any) -> Json:
    return {"flags": COMPONENTS_V2, "components": list(components)} | fields


def select(**fields: Any) -> Json:
    return {"type": 3, "custom_id": "s", "options": [{"label": "a", "value": "a"}]} | fields


GOOD: dict[str, Json] = {
    "text": {"content": "x" * 2000},
    "row": {"components": [row(button())]},
    "v2": v2({"type": 17, "components": [text("x" * 4000), row(button())]}),
    "shown file": v2(
        {"type": 12, "items": [{"media": {"url": "attachment://a.png"}}]}, attachments=[FILE]
    ),
    "kept file": v2({"type": 13, "file": {"url": "http://cdn/a.png"}}, attachments=[FILE]),
}
BAD: dict[str, tuple[Json, str]] = {
    "long text": ({"content": "x" * 2001}, "2000"),
    "11 files": ({"attachments": [FILE] * 11}, "attachments"),
    "text beside v2": (v2(text("a"), content="b"), "content"),
    "v2 without its flag": ({"components": [text("a")]}, "needs the components v2 flag"),
    "4001 characters": (v2(text("x" * 4000), text("y")), "4001 characters"),
    "41 components": (v2(*[text("a")] * 41), "41 components"),
    "six rows": (
        {"components": [row(button(custom_id=f"{n}")) for n in range(6)]},
        "5 or fewer rows",
    ),
    "six buttons": (v2(row(*[button(custom_id=f"{n}") for n in range(6)])), "1 to 5"),
    "two selects": (v2(row(select(), select(custom_id="t"))), "one select"),
    "same id twice": (v2(row(button(), button())), "used twice"),
    "long id": (v2(row(button(custom_id="x" * 101))), "100 or fewer"),
    "link with id": (v2(row(button(style=5, url="https://a"))), "link button"),
    "link to a script": (v2(row(button(style=5, url="javascript:1", custom_id=None))), "http"),
    "button without words": (v2(row(button(label=""))), "label or an emoji"),
    "26 options": (
        v2(row(select(options=[{"label": "a", "value": f"{n}"} for n in range(26)]))),
        "1 and 25",
    ),
    "missing file": (
        v2({"type": 13, "file": {"url": "attachment://b.png"}}, attachments=[FILE]),
        "not among",
    ),
    "hidden file": (v2(text("a"), attachments=[FILE]), "no component shows"),
    "long embeds": ({"embeds": [{"description": "x" * 3001}] * 2}, "6000"),
    "empty field": ({"embeds": [{"fields": [{"name": "a", "value": ""}]}]}, "empty"),
    "both mentions": (
        {"content": "a", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
        "one of the two",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_message_within_the_limits_passes(name: str) -> None:
    check_message(BLANK | GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_message_over_a_limit_is_refused(name: str) -> None:
    message, why = BAD[name]
    with pytest.raises(ApiError, match=why) as refused:
        check_message(BLANK | message)
    assert refused.value.code == 50035 and refused.value.body()["errors"]


def test_an_empty_message_is_refused() -> None:
    with pytest.raises(ApiError) as refused:
        check_message(BLANK)
    assert refused.value.code == 50006


def option(**fields: Any) -> Json:
    return {"type": 3, "name": "gpu", "description": "a"} | fields


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ({"name": "Upper"}, "lower-case"),
        ({"description": "x" * 101}, "1 and 100"),
        ({"options": [option(name=f"o{n}") for n in range(26)]}, "25 or fewer"),
        ({"options": [option(), option()]}, "one name"),
        ({"options": [option(), option(name="b", required=True)]}, "before optional"),
        ({"options": [option(autocomplete=True, choices=[{"name": "a", "value": "a"}])]}, "excl"),
        ({"options": [option(choices=[{"name": "a", "value": 1}])]}, "does not fit"),
        ({"options": [option(choices=[{"name": "a", "value": "x" * 101}])]}, "1 and 100"),
        ({"type": 3}, "context menu"),
    ],
)
def test_a_command_over_a_limit_is_refused(command: Json, why: str) -> None:
    good = {"name": "bench", "description": "a"}
    check_commands([good])
    with pytest.raises(ApiError, match=why):
        check_commands([good | command])


def test_a_command_set_over_8000_characters_or_twice_is_refused() -> None:
    many = [{"name": "n" * 100, "value": "v" * 100} for _ in range(25)]
    options = [option(name=f"o{n}", choices=many) for n in range(2)]
    with pytest.raises(ApiError, match="8000"):
        check_commands([{"name": "a", "description": "a", "options": options}])
    with pytest.raises(ApiError, match="twice"):
        check_commands([{"name": "a", "description": "a"}] * 2)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"title": "x" * 46}, "1 and 45"),
        ({"components": []}, "1 and 5"),
        ({"components": [row(button())] * 6}, "1 and 5"),
        ({"components": [button()]}, "top of a modal"),
        (
            {"components": [row({"type": 4, "custom_id": "a", "value": "x", "min_length": 2})]},
            "between 2",
        ),
    ],
)
def test_a_modal_over_a_limit_is_refused(change: Json, why: str) -> None:
    field = {"type": 4, "custom_id": "a", "style": 1, "value": "x"}
    label = {"type": 18, "label": "A", "component": field}
    good = {"title": "T", "custom_id": "c", "components": [label]}
    check_modal(good)
    with pytest.raises(ApiError, match=why):
        check_modal(good | change)


ALL = "@everyone @here <@1> <@!2> <@&3>"
PINGS: list[tuple[Json, Json | None, set[str]]] = [
    ({"content": ALL}, None, {"everyone", "here", "1", "2", "role:3"}),
    ({"content": ALL}, {"parse": []}, set()),
    ({"content": ALL}, {"parse": ["users"]}, {"1", "2"}),
    ({"content": ALL}, {"parse": [], "users": ["1", "9"]}, {"1"}),
    ({"content": ALL}, {"parse": ["roles", "everyone"]}, {"everyone", "here", "role:3"}),
    ({"content": "`<@1>` ```\n@everyone\n``` <@2>"}, None, {"2"}),
    ({"components": [{"type": 17, "components": [text("<@1>")]}]}, None, {"1"}),
    ({"embeds": [{"description": "<@1>"}]}, None, set()),
    ({"content": ALL, "flags": EPHEMERAL}, None, set()),
    ({"content": "re", "referenced_message": {"author": {"id": "7"}}}, None, {"7"}),
    ({"content": "re", "referenced_message": {"author": {"id": "7"}}}, {"parse": []}, set()),
]


@pytest.mark.parametrize(("message", "allowed", "expected"), PINGS)
def test_a_message_pings_whom_discord_would_ping(
    message: Json, allowed: Json | None, expected: set[str]
) -> None:
    assert pings_of(BLANK | message, allowed, may_ping_everyone=True) == expected


def test_everyone_is_not_pinged_without_the_permission() -> None:
    assert pings_of(BLANK | {"content": "@everyone"}, None, may_ping_everyone=False) == set()


@pytest.fixture
def small_spec(tmp_path: Path) -> schema.Spec:
    """A schema of the shape of Discord's, small enough to read."""
    kinds = [{"$ref": "#/components/schemas/Text"}, {"$ref": "#/components/schemas/Button"}]
    schemas = {
        "Id": {"type": "string", "format": "snowflake", "pattern": "^[0-9]+$"},
        "Text": {
            "type": "object",
            "properties": {"type": {"enum": [10]}, "content": {"type": "string"}},
            "required": ["type", "content"],
        },
        "Button": {
            "type": "object",
            "properties": {
                "type": {"enum": [2]},
                "label": {"type": ["string", "null"], "maxLength": 3},
            },
            "required": ["type"],
        },
        "Body": {
            "type": "object",
            "properties": {
                "to": {"$ref": "#/components/schemas/Id"},
                "bits": {"type": "integer"},
                "parts": {"type": "array", "items": {"oneOf": kinds}},
            },
        },
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}}
    operation = {"requestBody": body, "parameters": [{"in": "query", "name": "wait"}]}
    document = {"paths": {"/a": {"post": operation}}, "components": {"schemas": schemas}}
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    loaded = schema.load_spec(file)
    assert loaded is not None
    return loaded


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"to": 12, "bits": "8", "parts": [{"type": 2, "label": None}]}, ""),
        ({"to": "x"}, "does not match"),
        ({"bits": "eight"}, "not integer"),
        ({"parts": [{"type": 2, "label": "long"}]}, "too long"),
        ({"parts": [{"type": 10}]}, "'content' is a required property"),
        ({"parts": [{"type": 99}]}, "fits none of 2 shapes"),
    ],
)
def test_the_schema_takes_what_discord_takes(
    small_spec: schema.Spec, body: Json, problem: str
) -> None:
    found = small_spec.problems("POST", "/a", body, {"wait": "1"})
    assert len(found) == bool(problem) and problem in (found[0][1] if found else "")


def test_the_schema_names_unknown_routes_and_queries(small_spec: schema.Spec) -> None:
    assert small_spec.problems("GET", "/a", None, {})
    assert small_spec.problems("POST", "/a", {}, {"nonsense": "1"})


def test_there_may_be_no_schema(tmp_path: Path) -> None:
    assert schema.load_spec(tmp_path / "none.json") is None
