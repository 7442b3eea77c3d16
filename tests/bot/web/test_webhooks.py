"""Deliveries of GitHub's: only what it signed is taken, and answered before anything follows."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from bot.web.webhooks import Webhooks, is_signed
from tests.bot.web.conftest import Pages, Serve
from tests.fakes.github import FakeGitHub
from tests.fakes.github.hooks import signed

SECRET = "s\u00e9cret of the hook"


@dataclass
class Kept:
    """Who keeps events, and what it was given."""

    repository: str = "mlsystems/site"
    taken: list[tuple[str, str, str]] = field(default_factory=list)
    pushes: int = 0

    async def take(self, event: str, action: str, payload: Mapping[str, Any], guid: str) -> bool:
        """One event."""
        assert payload["repository"]
        self.taken.append((event, action, guid))
        return True

    def pushed(self) -> None:
        """The sources may have changed."""
        self.pushes += 1

    def hooks(self) -> Webhooks:
        """As the pages are given it."""
        return Webhooks(SECRET, self.repository, self.take, self.pushed)


async def address(serve: Serve, kept: Kept) -> str:
    pages = await serve(webhooks=kept.hooks())
    return f"{pages.url}/webhooks/github"


async def test_a_signed_delivery_is_kept_before_it_is_answered(serve: Serve) -> None:
    kept = Kept()
    url = await address(serve, kept)
    async with FakeGitHub() as github:
        opened = github.add_discussion(title="Why?", body="y", author="alice")
        body = github.event("discussion.created", opened)
        for form, guid in ((False, "g1"), (True, "g2")):
            status = await github.deliver(
                url, event="discussion", action="created", payload=body, secret=SECRET, guid=guid,
                form=form,
            )  # fmt: skip
            assert status == 202
    assert kept.taken == [("discussion", "created", "g1"), ("discussion", "created", "g2")]


@pytest.mark.parametrize(
    "tamper", ["body", "signature", "missing", "malformed", "non_ascii", "sha1_only"]
)
async def test_what_github_did_not_sign_is_refused(serve: Serve, tamper: Any) -> None:
    kept = Kept()
    url = await address(serve, kept)
    async with FakeGitHub() as github:
        payload = github.event("discussion.created", github.add_discussion(title="x", body="y"))
        status = await github.deliver(
            url, event="discussion", action="created", payload=payload, secret=SECRET,
            tamper=tamper,
        )  # fmt: skip
        other = await github.deliver(
            url, event="discussion", action="created", payload=payload, secret="other"
        )
    assert (status, other, kept.taken) == (401, 401, [])


@pytest.mark.parametrize("event", ["ping", "release", "star", "\u00fcnknown", ""])
async def test_other_events_are_taken_and_passed_over(serve: Serve, event: str) -> None:
    kept = Kept()
    url = await address(serve, kept)
    async with FakeGitHub() as github:
        payload = github.event("ping")
        assert await github.deliver(url, event=event, payload=payload, secret=SECRET) == 202
    assert kept.taken == [] and kept.pushes == 0


async def test_a_push_makes_the_sources_be_looked_at_also_when_it_is_large(serve: Serve) -> None:
    kept = Kept()
    url = await address(serve, kept)
    async with FakeGitHub() as github:
        payload = github.event("push.branch")
        payload["commits"] = [{"message": "x" * 1000}] * 5_000
        assert len(json.dumps(payload)) > 5_000_000
        assert await github.deliver(url, event="push", payload=payload, secret=SECRET) == 202
    assert kept.pushes == 1


async def test_events_of_another_repository_are_passed_over(serve: Serve) -> None:
    kept = Kept(repository="someone/else")
    url = await address(serve, kept)
    async with FakeGitHub() as github:
        payload = github.event("discussion.created", github.add_discussion(title="x", body="y"))
        given: Any = {"event": "discussion", "action": "created", "payload": payload}
        assert await github.deliver(url, secret=SECRET, **given) == 202
        assert kept.taken == []
        kept.repository = "MLSystems/Site"  # GitHub's names know no case
        assert await github.deliver(await address(serve, kept), secret=SECRET, **given) == 202
    assert len(kept.taken) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{" * 100_000, b'{"repository": 7}'])
async def test_a_signed_body_that_is_none_is_no_fault_of_ours(pages_hook: str, body: bytes) -> None:
    raw, headers = signed(body, event="discussion", secret=SECRET, guid="g")
    async with (
        aiohttp.ClientSession() as http,
        http.post(pages_hook, data=raw, headers=headers) as reply,
    ):
        assert reply.status in (202, 400)


async def test_what_strangers_send_at_once_takes_so_much_memory_and_no_more(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.webhooks.MOST_HELD", 3_000_000)
    kept = Kept()
    hooks = kept.hooks()
    url = f"{(await serve(webhooks=hooks)).url}/webhooks/github"
    async with aiohttp.ClientSession() as http:

        async def send(size: int) -> int:
            async with http.post(url, data=io.BytesIO(b"x" * size)) as reply:
                return reply.status

        assert await send(2_000_000) == 401 and await send(2_000_000) == 401  # one by one
        assert await send(4_000_000) == 503
        assert set(await asyncio.gather(*(send(1_000_000) for _ in range(12)))) <= {401, 503}
    assert hooks.room.taken == 0 and kept.taken == []


@pytest.fixture
async def pages_hook(serve: Serve) -> str:
    return await address(serve, Kept())


async def test_without_a_secret_there_is_no_webhook(pages: Pages) -> None:
    async with pages.http.post("/webhooks/github", data=b"{}") as reply:
        assert reply.status == 404


async def test_a_delivery_is_answered_while_its_sender_waits_however_many_come(
    serve: Serve,
) -> None:
    """Also with large pushes between them: none is kept waiting by another."""
    kept = Kept()
    url = await address(serve, kept)
    async with FakeGitHub() as github:
        opened = github.event("discussion.created", github.add_discussion(title="x", body="y"))
        push = github.event("push.branch") | {"commits": [{"message": "x" * 1000}] * 2_000}
        given = [
            github.deliver(url, event="push", payload=push, secret=SECRET)
            if place % 5 == 0
            else github.deliver(
                url, event="discussion", action="created", payload=opened, secret=SECRET
            )
            for place in range(20)
        ]
        assert set(await asyncio.gather(*given)) == {202}
    assert (len(kept.taken), kept.pushes) == (16, 4)


def test_a_signature_is_compared_as_bytes() -> None:
    assert is_signed(
        "s", b"x", signed(b"x", event="e", secret="s", guid="g")[1]["X-Hub-Signature-256"]
    )
    assert not is_signed("s", b"x", "sha256=\u00e4\udcff")
