"""An exported file gives the same settings back; a hostile one gives a sentence with its path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.community.exchange import Known, export_settings, import_settings
from bot.community.words import (
    CategorySetting,
    ChannelSetting,
    LimitSetting,
    RoleSetting,
    Setting,
)
from compute.tool import Refused
from tests.bot.community.conftest import HOME

KNOWN = Known(channel=lambda id: id in ("10", "11"), role=lambda id: id in ("5", HOME))
SETTINGS: list[Setting] = [
    CategorySetting(HOME, "", "General"),
    CategorySetting(HOME, "rag", "R & D <b>"),
    ChannelSetting(HOME, "announcements", "10", "rag", True),
    ChannelSetting(HOME, "moderators", "11"),
    LimitSetting(HOME, "jobs", 0, "hour"),
    LimitSetting(HOME, "posts", 9, "day", "5"),
    RoleSetting(HOME, "ping", "5", "rag"),
    RoleSetting(HOME, "run-jobs", HOME),
]


def exported() -> dict[str, Any]:
    names = {"10": "articles", "5": "contributors"}
    content = export_settings(SETTINGS, HOME, "ML Systems", lambda id: names.get(id, ""), 0.0)
    document: dict[str, Any] = json.loads(content)
    return document


def take(document: object) -> list[Setting]:
    return import_settings(json.dumps(document).encode(), HOME, KNOWN)


def test_what_is_exported_comes_back_whole() -> None:
    document = exported()
    assert sorted(take(document), key=repr) == sorted(SETTINGS, key=repr)
    assert document["channels"][0] == {
        "purpose": "announcements", "channel": "10", "name": "#articles", "topic": "rag",
        "thread": True,
    }  # fmt: skip
    assert document["exported_at"] == "1970-01-01T00:00:00+00:00"


def test_names_are_for_people_and_count_for_nothing() -> None:
    document = exported()
    document["channels"][0]["name"] = "@everyone <script> \u202e"
    document["server"] = {"id": "999", "name": "another"}
    assert sorted(take(document), key=repr) == sorted(SETTINGS, key=repr)


def with_row(kind: str, **row: Any) -> dict[str, Any]:
    return {"format": "k2c-config", "version": 1, kind: [row]}


CHANNEL = {"purpose": "announcements", "channel": "10"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "It is not as /config export makes it."),
        ("x", "It is not as /config export makes it."),
        ({}, "format: is missing"),
        ({"format": "k2c-config", "version": "1"}, "version: must be 1"),
        ({"format": "k2c-config", "version": 1, "x" * 5000: 1}, "x: is nothing that I know"),
        (with_row("channels", **CHANNEL, topic="nope"), "channels[0].topic: There is no topic"),
        (with_row("channels", **CHANNEL | {"purpose": "x"}), "channels[0].purpose: must be 'ann"),
        (with_row("channels", **CHANNEL | {"channel": 10}), "channels[0].channel: "),
        (with_row("channels", **CHANNEL | {"channel": "1e3"}), "must be an id: digits in quotes"),
        (with_row("channels", **CHANNEL | {"channel": "99"}), "there is no channel 99"),
        (with_row("channels", **CHANNEL | {"channel": "5"}), "there is no channel 5"),
        (with_row("channels", **CHANNEL, thread="yes"), "channels[0].thread: "),
        (with_row("channels", **CHANNEL, key="sk-1"), "channels[0].key: is nothing that I know"),
        (with_row("roles", purpose="run-jobs", role="10"), "there is no role 10"),
        (with_row("roles", purpose="maintainer", role=HOME), "roles[0].role: "),
        (with_row("limits", what="jobs", runs=1.5, per="day"), "limits[0].runs: "),
        (with_row("limits", what="jobs", runs=10**30, per="day"), "limits[0].runs: "),
        (with_row("limits", what="jobs", runs=1, per="day", role="6"), "limits[0].role: "),
        (with_row("categories", topic="rag", category="c" * 101), "1 to 100"),
        ({"format": "k2c-config", "version": 1, "channels": [CHANNEL] * 201}, "more than 200"),
        ({"format": "k2c-config", "version": 1, "channels": [CHANNEL] * 2},
         "channels[1] sets what channels[0] sets already"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_path(document: object, words: str) -> None:
    with pytest.raises(Refused) as refused:
        take(document)
    assert words in refused.value.message and len(refused.value.message) < 700


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"a":' * 40_000,
        b'{"format": "k2c-config", "version": ' + b"9" * 20_000 + b"}",
        b'{"format": "k2c-config", "version": NaN}',
        b'{"format": "k2c-config", "version": 1, "server": "' + b"\\ud800" * 10 + b'"}',
    ],
    ids=["not UTF-8", "deep lists", "deep objects", "a huge number", "NaN", "half a character"],
)
def test_what_is_no_file_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        import_settings(content, HOME, KNOWN)


def test_nearest_topics_are_offered() -> None:
    with pytest.raises(Refused) as refused:
        take(with_row("channels", **CHANNEL, topic="agent"))
    assert refused.value.refusal.nearest[0] == "agents"


def test_a_category_that_github_does_not_have_is_refused_where_they_are_known() -> None:
    document = with_row("categories", topic="rag", category="Kernals")
    assert take(document)  # while GitHub does not answer the word is taken
    known = Known(KNOWN.channel, KNOWN.role, ("General", "Kernels"))
    with pytest.raises(Refused, match="no category Kernals") as refused:
        import_settings(json.dumps(document).encode(), HOME, known)
    assert refused.value.message.startswith("categories[0].category: ")
    assert refused.value.refusal.nearest[0] == "Kernels"
