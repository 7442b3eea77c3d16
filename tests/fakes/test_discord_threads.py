"""Forums, threads, archives and crossposts of the fake, as Discord refuses and counts them."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.fakes.discord import Channel, FakeDiscord
from tests.fakes.discord.routes.archive import set_metadata

Json = dict[str, Any]
HELLO: Json = {"content": "hello"}


async def call(fake: FakeDiscord, method: str, path: str, body: Json | None = None) -> Json:
    """The answer's JSON with its status as ``status``."""
    headers = {"Authorization": f"Bot {fake.token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, fake.api_base + path, json=body, headers=headers) as answer,
    ):
        said = await answer.json(content_type=None)
        return {**said, "status": answer.status, "via": answer.headers.get("Via")}


async def post(fake: FakeDiscord, channel: Channel, body: Json = HELLO) -> Json:
    return await call(fake, "POST", f"/channels/{channel.id}/messages", body)


async def test_the_eleventh_crosspost_within_an_hour_waits_for_the_first(
    fake: FakeDiscord,
) -> None:
    news = fake.home.channel("news")
    answers = []
    for _ in range(11):
        message = await post(fake, news)
        path = f"/channels/{news.id}/messages/{message['id']}/crosspost"
        answers.append(await call(fake, "POST", path))
    assert [a["status"] for a in answers] == [200] * 10 + [429]
    assert 3500 < answers[-1]["retry_after"] <= 3600.01 and answers[-1]["via"]


async def test_a_crosspost_counts_once_and_only_where_news_are(fake: FakeDiscord) -> None:
    news, general = fake.home.channel("news"), fake.home.channel("general")
    message, plain = await post(fake, news), await post(fake, general)
    path = f"/channels/{news.id}/messages/{message['id']}/crosspost"
    assert (await call(fake, "POST", path))["flags"] & 1
    assert (await call(fake, "POST", path))["code"] == 40033
    path = f"/channels/{general.id}/messages/{plain['id']}/crosspost"
    assert (await call(fake, "POST", path))["code"] == 50024


async def test_a_message_has_one_thread_with_its_own_id(fake: FakeDiscord) -> None:
    general = fake.home.channel("general")
    message = await post(fake, general)
    path = f"/channels/{general.id}/messages/{message['id']}/threads"
    assert (await call(fake, "POST", path, {"name": "talk"}))["id"] == message["id"]
    assert (await call(fake, "POST", path, {"name": "talk"}))["code"] == 160004
    await fake.deny(general, "create_public_threads")
    other = await post(fake, general)
    path = f"/channels/{general.id}/messages/{other['id']}/threads"
    assert (await call(fake, "POST", path, {"name": "talk"}))["code"] == 50013


async def test_a_forum_takes_posts_with_tags_of_its_own_alone(fake: FakeDiscord) -> None:
    forum = fake.home.channel("help")
    tag: Json = {"id": fake.new_id(), "name": "a", "moderated": False}
    closed: Json = {"id": fake.new_id(), "name": "b", "moderated": True}
    forum.extra |= {"available_tags": [tag, closed], "flags": 16}
    path, body = f"/channels/{forum.id}/threads", {"name": "post", "message": HELLO}
    assert (await call(fake, "POST", path, body))["code"] == 40067
    for wrong, code in ((["1"], 50035), ([closed["id"]], 50013), ([tag["id"]] * 2, 50035)):
        assert (await call(fake, "POST", path, body | {"applied_tags": wrong}))["code"] == code
    made = await call(fake, "POST", path, body | {"applied_tags": [tag["id"]]})
    assert made["message"]["id"] == made["id"] and made["parent_id"] == forum.id
    before = len(fake.home.channels)
    empty = {"name": "post", "applied_tags": [tag["id"]], "message": {"content": ""}}
    assert (await call(fake, "POST", path, empty))["code"] == 50006
    assert len(fake.home.channels) == before


async def test_an_archived_thread_opens_for_a_message_and_for_no_edit(fake: FakeDiscord) -> None:
    thread = fake.home.channel("a-thread")
    message = await post(fake, thread)
    path = f"/channels/{thread.id}/messages/{message['id']}"
    await set_metadata(fake, thread, archived=True)
    assert (await call(fake, "PATCH", path, HELLO))["code"] == 50083
    assert (await call(fake, "PATCH", f"/channels/{thread.id}", {"name": "x"}))["code"] == 50083
    await post(fake, thread)
    assert (await call(fake, "PATCH", path, HELLO))["status"] == 200
    await set_metadata(fake, thread, locked=True)
    assert (await post(fake, thread))["code"] == 160005


async def test_active_and_archived_threads_are_listed_apart(fake: FakeDiscord) -> None:
    forum = fake.home.channel("help")
    body = {"name": "post", "message": HELLO}
    ids = [(await call(fake, "POST", f"/channels/{forum.id}/threads", body))["id"]
           for _ in range(3)]  # fmt: skip
    for thread_id in ids[:2]:
        await set_metadata(fake, fake.channels[thread_id], archived=True)
    active = await call(fake, "GET", f"/guilds/{fake.home.id}/threads/active")
    assert ids[2] in [t["id"] for t in active["threads"]]
    assert not {ids[0], ids[1]} & {t["id"] for t in active["threads"]}
    path = f"/channels/{forum.id}/threads/archived/public?limit=1"
    page = await call(fake, "GET", path)
    assert [t["id"] for t in page["threads"]] == [ids[1]] and page["has_more"]
    await fake.deny(forum, "read_message_history")
    assert (await call(fake, "GET", path))["code"] == 50013


@pytest.mark.parametrize("silent", [True, False])
async def test_a_closed_history_shows_nothing_and_takes_no_reply(
    fake: FakeDiscord, silent: bool
) -> None:
    fake.silent_history = silent
    general = fake.home.channel("general")
    message = await post(fake, general)
    reply: Json = {**HELLO, "message_reference": {"message_id": message["id"]}}
    assert (await post(fake, general, reply))["referenced_message"]["id"] == message["id"]
    await fake.deny(general, "read_message_history")
    assert (await post(fake, general, reply))["code"] == 160002
    path = f"/channels/{general.id}/messages/{message['id']}"
    assert (await call(fake, "GET", path))["code"] == 50001


async def test_a_role_is_told_only_where_the_bot_may_mention_it(fake: FakeDiscord) -> None:
    general, role = fake.home.channel("general"), fake.home.role("contributors")
    body: Json = {"content": f"<@&{role.id}>", "allowed_mentions": {"roles": [role.id]}}
    await fake.deny(general, "mention_everyone")
    for mentionable in (False, True):
        role.mentionable = mentionable
        message = await post(fake, general, body)
        pings = fake.messages.find(message["id"]).pings
        assert pings == ({f"role:{role.id}"} if mentionable else set())
