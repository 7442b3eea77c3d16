"""The fake's webhooks: real examples with our data, signed as GitHub signs them, or spoilt."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from tests.fakes.github import FakeGitHub
from tests.fakes.github.hooks import EXAMPLES
from tests.fakes.pygithub import away, client, create, mutate

pytestmark = pytest.mark.slow

SECRET = "hush"


class Listener:
    """Keeps raw bodies and headers of what arrives."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, Any]] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((await request.read(), request.headers))
        return web.Response(status=202)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    found = Listener()
    app = web.Application()
    app.router.add_post("/hook", found.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield found
    await runner.cleanup()


def is_signed(raw: bytes, headers: Any) -> bool:
    right = "sha256=" + hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    return bool(headers.get("X-Hub-Signature-256") == right)


async def test_a_delivery_is_signed_over_its_bytes(github: FakeGitHub, listener: Listener) -> None:
    topic = github.add_discussion(title="Why?", body="b", category="Q&A", author="carol")
    payload = github.event("discussion.created", topic)
    status = await github.deliver(
        listener.url, event="discussion", action="created", payload=payload, secret=SECRET,
        guid="g-1",
    )  # fmt: skip
    assert status == 202
    raw, headers = listener.got[0]
    sent = json.loads(raw)
    assert is_signed(raw, headers)
    assert (headers["X-GitHub-Event"], headers["X-GitHub-Delivery"]) == ("discussion", "g-1")
    assert sent["action"] == "created" and sent["sender"]["login"] == "carol"
    assert sent["discussion"]["html_url"] == topic.url and sent["discussion"]["title"] == "Why?"
    assert sent["discussion"]["category"]["name"] == "Q&A"
    assert sent["repository"]["full_name"] == github.repository


@pytest.mark.parametrize(
    "tamper", ["body", "signature", "missing", "malformed", "non_ascii", "sha1_only"]
)
async def test_a_spoilt_delivery_is_not_validly_signed(
    github: FakeGitHub, listener: Listener, tamper: Any
) -> None:
    await github.deliver(listener.url, event="ping", secret=SECRET, tamper=tamper)
    raw, headers = listener.got[0]
    assert not is_signed(raw, headers) and json.loads(raw)["zen"]
    assert ("X-Hub-Signature" in headers) is (tamper != "missing")


async def test_a_form_is_signed_as_it_is_sent(github: FakeGitHub, listener: Listener) -> None:
    await github.deliver(listener.url, event="ping", secret=SECRET, form=True)
    raw, headers = listener.got[0]
    assert is_signed(raw, headers) and "hook_id" in parse_qs(raw.decode())["payload"][0]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda p: p.stem)
def test_every_example_takes_our_repositorys_data(github: FakeGitHub, path: Any) -> None:
    topic = github.add_discussion(title="T", body="b", category="Q&A", comments=["c"])
    github.mark_answer(topic, topic.comments[0])
    payload = github.event(path.stem, topic, comment=topic.comments[0], label="kernels")
    assert payload["repository"]["full_name"] == github.repository
    assert payload.get("discussion", {"title": "T"})["title"] == "T"
    assert payload.get("answer", {"node_id": topic.comments[0].id})["node_id"].startswith("DC_")
    assert payload.get("comment", {"body": "c"})["body"] == "c"


async def test_what_happens_on_the_site_is_delivered_by_itself(
    github: FakeGitHub, listener: Listener
) -> None:
    github.send_webhooks(listener.url, SECRET)
    topic = github.add_discussion(title="T", body="b", category="Q&A", comments=["c"])
    github.mark_answer(topic, topic.comments[0])
    await github.wait_for(lambda: len(listener.got) == 3)
    assert all(is_signed(raw, headers) for raw, headers in listener.got)
    sent = [(h["X-GitHub-Event"], json.loads(raw)["action"]) for raw, h in listener.got]
    assert sent == [("discussion", "created"), ("discussion_comment", "created"),
                    ("discussion", "answered")]  # fmt: skip
    assert len({h["X-GitHub-Delivery"] for _, h in listener.got}) == 3


async def test_a_lost_delivery_is_sent_again_under_its_guid(
    github: FakeGitHub, listener: Listener
) -> None:
    hook = github.send_webhooks(listener.url, SECRET)
    hook.paused = True
    github.add_discussion(title="T", body="b")
    (lost,) = hook.deliveries
    assert lost.status == 0
    assert await hook.redeliver(lost) == 202
    assert await hook.redeliver(lost, guid="another") == 202
    guids = [headers["X-GitHub-Delivery"] for _, headers in listener.got]
    assert guids == [lost.guid, "another"] and lost.status == 202


async def test_edits_through_the_api_are_delivered_with_what_was_there_before(
    github: FakeGitHub, listener: Listener
) -> None:
    github.send_webhooks(listener.url, SECRET)
    with client(github) as hub:
        made = await away(create, hub, github, "Old")
        given = {"discussionId": made["id"], "categoryId": github.category("Q&A").id}
        await away(lambda: mutate(hub, "updateDiscussion", title="New", **given))
    await github.wait_for(lambda: len(listener.got) == 3)
    _, edited, moved = (json.loads(raw) for raw, _ in listener.got)
    assert edited["action"] == "edited" and edited["changes"] == {"title": {"from": "Old"}}
    assert edited["discussion"]["title"] == "New" and edited["sender"]["login"] == "k2c-bot"
    assert moved["action"] == "category_changed"
    assert moved["changes"]["category"]["from"]["name"] == "General"
