"""What moderators set is read as they mean it, kept with its audit line, in its server alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.community import service
from bot.community.changes import setting_words
from bot.community.service import CommunityBook
from bot.community.words import (
    CategorySetting,
    ChannelSetting,
    LimitSetting,
    RoleSetting,
    Setting,
)
from bot.store import Store
from compute.tool import Refused
from tests.bot.community.conftest import FOREIGN, HOME, MOD, SECOND


async def put(book: CommunityBook, *settings: Setting) -> None:
    for setting in settings:
        await book.set(setting, MOD)


async def test_a_topic_goes_to_its_channels_and_to_those_for_all(book: CommunityBook) -> None:
    every = ChannelSetting(HOME, "announcements", "10")
    rag = ChannelSetting(HOME, "announcements", "11", "rag")
    rag_again = ChannelSetting(HOME, "announcements", "10", "rag", thread=True)
    theirs = ChannelSetting(SECOND, "announcements", "20", "agents")
    results = ChannelSetting(HOME, "results", "12")
    await put(book, rag_again, rag, every, theirs, results)
    assert book.channels("announcements", "rag") == [rag_again, rag]  # channel 10 once
    assert book.channels("announcements", "agents") == [every, theirs]
    assert book.channels("announcements", "") == [every]
    found = {c.channel_id for c in book.channels("announcements")}
    assert found == {"10", "11", "20"} and book.channels("moderators") == []


async def test_a_topics_own_role_is_mentioned_instead_of_the_one_for_all(
    book: CommunityBook,
) -> None:
    await put(book, RoleSetting(HOME, "ping", "5"), RoleSetting(HOME, "ping", "6", "rag"))
    assert book.ping_role(HOME, "rag") == "6" and book.ping_role(HOME, "agents") == "5"
    assert book.ping_role(HOME, None) == "5" and book.ping_role(SECOND, "rag") == ""
    await put(book, RoleSetting(HOME, "ping", "8", "rag"))  # one role a topic: it is replaced
    assert book.ping_role(HOME, "rag") == "8" and len(book.settings(HOME)) == 2


async def test_the_first_home_server_decides_where_categories_differ(book: CommunityBook) -> None:
    await put(book, CategorySetting(SECOND, "rag", "Theirs"), CategorySetting(SECOND, "", "Rest"))
    assert book.category("rag") == "Theirs" and book.category("agents") == "Rest"
    assert book.category(None) == "Rest"
    await put(book, CategorySetting(HOME, "rag", "Ours"))
    assert book.category("rag") == "Ours" and book.category("agents") == "Rest"


async def test_roles_count_in_their_server_alone_and_everybodys_for_everybody(
    book: CommunityBook,
) -> None:
    await put(book, RoleSetting(HOME, "run-jobs", "5"), RoleSetting(HOME, "post-results", HOME))
    assert book.may("run-jobs", HOME, ("4", "5")) and not book.may("run-jobs", HOME, ("4",))
    assert not book.may("run-jobs", SECOND, ("5",)) and not book.may("run-jobs", FOREIGN, ("5",))
    assert book.may("post-results", HOME, ()) and not book.may("post-results", SECOND, ())


async def test_the_most_generous_limit_counts_and_hour_and_day_both_hold(
    book: CommunityBook,
) -> None:
    await put(
        book,
        LimitSetting(HOME, "posts", 2, "hour"),
        LimitSetting(HOME, "posts", 9, "hour", "5"),
        LimitSetting(HOME, "posts", 1, "hour", "6"),
        LimitSetting(HOME, "posts", 20, "day"),
        LimitSetting(HOME, "jobs", 7, "day"),
    )
    assert book.limits("posts", HOME, ()) == {"hour": 2, "day": 20}
    assert book.limits("posts", HOME, ("5", "6")) == {"hour": 9, "day": 20}
    assert book.post_limits(HOME, ("6",)) == ((2, 3600.0), (20, 86_400.0))
    assert book.post_limit(HOME, ("6",)) == (20, 86_400.0)
    assert book.limits("jobs", HOME, ()) == {"day": 7} and book.limits("jobs", SECOND, ()) == {}
    assert book.post_limits(SECOND, ()) == ((service.DEFAULT_POSTS["hour"], 3600.0),)


async def test_every_change_is_in_the_log_with_the_names_it_had(book: CommunityBook) -> None:
    book.clock = lambda: 1000.0
    names = {"10": "articles"}
    setting = ChannelSetting(HOME, "announcements", "10")
    await book.set(setting, MOD, lambda id: names.get(id, ""))
    await book.set(ChannelSetting(HOME, "announcements", "10", thread=True), MOD)
    assert await book.set(ChannelSetting(HOME, "announcements", "10", thread=True), MOD) is None
    await book.unset(setting, MOD, lambda id: names.get(id, ""))
    assert await book.unset(setting, MOD) is None
    lines = await book.history(HOME)
    assert [line.words for line in lines] == [
        "removed announcements in #articles: all topics, with a thread",
        "changed announcements in #10: all topics, with a thread (was all topics)",
        "set announcements in #articles: all topics",
    ]
    assert {line.by for line in lines} == {MOD} and lines[0].at == 1000.0
    assert await book.history(SECOND) == [] and await book.history(FOREIGN) == []
    assert book.last_change(HOME) == lines[0] and book.last_change(SECOND) is None
    assert book.revision() == 3


async def test_a_restart_reads_everything_again(book: CommunityBook, store: Store) -> None:
    kept: list[Setting] = [
        CategorySetting(HOME, "rag", "R"),
        ChannelSetting(HOME, "announcements", "10", "rag", True),
        LimitSetting(HOME, "posts", 9, "hour", "5"),
        RoleSetting(HOME, "ping", "6", "rag"),
    ]
    await put(book, *kept)
    again = await CommunityBook.open(store, (1,))
    assert again.settings(HOME) == kept and again.revision() == book.revision() == 4
    assert again.last_change(HOME) == book.last_change(HOME)


async def test_a_server_that_is_no_longer_home_counts_no_more_and_keeps_its_rows(
    book: CommunityBook, store: Store
) -> None:
    role = RoleSetting(SECOND, "run-jobs", "5")
    await put(book, role)
    without = await CommunityBook.open(store, (1,))
    assert without.settings(SECOND) == [] and not without.may("run-jobs", SECOND, ("5",))
    assert without.last_change(SECOND) is None and await without.history(SECOND) == []
    with pytest.raises(Refused, match="not one of the community's own servers"):
        await without.set(role, MOD)
    assert (await CommunityBook.open(store, (2, 1))).settings(SECOND) == [role]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (ChannelSetting(HOME, "announcements", "10", "knitting"), "no topic knitting"),
        (ChannelSetting(HOME, "moderators", "10", "rag"), "means nothing for moderators"),
        (ChannelSetting(HOME, "results", "10", thread=True), "made for announcements"),
        (RoleSetting(HOME, "run-jobs", "5", "rag"), "for ping alone"),
        (RoleSetting(HOME, "maintainer", HOME), "not everybody"),
        (CategorySetting(HOME, "rag", ""), "1 to 100"),
        (LimitSetting(HOME, "jobs", -1, "day"), "0 .nobody. to 10,000"),
        (LimitSetting(FOREIGN, "jobs", 1, "day"), "not one of the community's own"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    book: CommunityBook, setting: Setting, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        await book.set(setting, MOD)
    assert book.revision() == 0


async def test_a_write_that_fails_changes_nothing_in_memory(
    book: CommunityBook, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> int:
        raise RuntimeError("the audit line cannot be written")

    monkeypatch.setattr("bot.community.ledger.add_audit", broken)
    with pytest.raises(RuntimeError):
        await book.set(RoleSetting(HOME, "run-jobs", "5"), MOD)
    assert book.settings(HOME) == [] and book.revision() == 0
    monkeypatch.undo()
    assert (await CommunityBook.open(store, (1,))).settings(HOME) == []


async def test_many_at_once_lose_none(book: CommunityBook, store: Store) -> None:
    roles = [RoleSetting(HOME, "run-jobs", str(n)) for n in range(50)]
    await asyncio.gather(*(book.set(role, MOD) for role in roles))
    assert len(book.settings(HOME)) == 50 and book.revision() == 50
    assert len((await CommunityBook.open(store, (1,))).settings(HOME)) == 50


async def test_a_server_has_a_bounded_number_of_settings(
    book: CommunityBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_SETTINGS", 2)
    await put(book, RoleSetting(HOME, "run-jobs", "1"), RoleSetting(HOME, "run-jobs", "2"))
    with pytest.raises(Refused, match="at most 2 settings"):
        await book.set(RoleSetting(HOME, "run-jobs", "3"), MOD)
    assert len(book.settings(HOME)) == 2


async def test_an_import_waits_over_a_restart_in_its_own_server_and_counts_once(
    book: CommunityBook, store: Store
) -> None:
    wanted = [LimitSetting(HOME, "jobs", 5, "day")]
    token = await book.keep_import(HOME, wanted)
    again = await CommunityBook.open(store, (1, 2))
    assert len(token) == 22 and await again.apply_import(SECOND, token, MOD) is None
    changes = await again.apply_import(HOME, token, MOD)
    assert changes is not None and again.settings(HOME) == wanted
    assert await again.apply_import(HOME, token, MOD) is None
    token = await again.keep_import(HOME, [])
    assert await again.drop_import(HOME, token) and not await again.drop_import(HOME, token)
    token = await again.keep_import(HOME, [])
    again.clock = lambda: 4e9
    assert await again.apply_import(HOME, token, MOD) is None


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (ChannelSetting(HOME, "moderators", "10"), "moderators in #10"),
        (ChannelSetting(HOME, "commands", "10"), "commands in #10"),
        (ChannelSetting(HOME, "results", "10"), "results in #10: all topics"),
        (ChannelSetting(HOME, "announcements", "10", "rag", thread=True),
         "announcements in #10: Retrieval & RAG, with a thread"),
    ],
)  # fmt: skip
def test_a_setting_says_its_topic_where_it_may_have_one(setting: Setting, words: str) -> None:
    assert setting_words(setting, lambda id: "") == words
