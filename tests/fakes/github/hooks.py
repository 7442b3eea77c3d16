"""Webhooks: real example payloads filled with a discussion's data, signed and sent."""

from __future__ import annotations

import copy
import functools
import hashlib
import hmac
import io
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

import aiohttp

from tests.fakes.github.errors import Json
from tests.fakes.github.people import user_json
from tests.fakes.github.world import Category, Comment, Discussion, stamp

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

EXAMPLES = Path(__file__).parent / "webhooks"
HOOK_ID = "271828"
ANSWER_WITHIN_S = 10.0  # GitHub gives up then
Tamper = Literal["body", "signature", "missing", "malformed", "non_ascii", "sha1_only"]


@functools.cache
def _example(name: str) -> str:
    return (EXAMPLES / f"{name}.json").read_text(encoding="utf-8")


def example(name: str) -> Json:
    """Return a fresh copy of an example payload, for example ``discussion.created``."""
    found: Json = json.loads(_example(name))
    return found


def event(
    github: FakeGitHub, name: str, discussion: Discussion | None = None, *,
    comment: Comment | None = None, sender: str | None = None,
    label: str | None = None, changes: Json | None = None,
) -> Json:  # fmt: skip
    """Return the example called ``name`` with our repository's data in place of octo-repo's.

    ``comment`` is the comment of ``discussion_comment.*`` and, unless given, the chosen one of
    ``discussion.answered``; ``sender`` is who did it, else the author; an app's login
    ends in [bot].
    """
    found = example(name)
    repo: Json = found["repository"]
    owner, _, short = github.repository.partition("/")
    repo["owner"] |= {"login": owner}
    repo |= {"full_name": github.repository, "name": short, "node_id": github.repository_id,
             "html_url": github.html_url, "private": github.private,
             "default_branch": github.default_branch}  # fmt: skip
    actor = sender
    if discussion is not None and "discussion" in found:
        found["discussion"] |= _discussion(github, discussion)
        actor = sender or _login(discussion)
        if "answer" in found:
            chosen = comment or discussion.answer
            assert chosen is not None, "mark_answer first"
            found["answer"] |= _comment(github, chosen)
    if comment is not None and "comment" in found:
        found["comment"] |= _comment(github, comment)
        actor = sender or _login(comment)
    if label is not None and "label" in found:
        found["label"] |= {"name": label}
    if changes is not None:
        found["changes"] = changes
    if actor is not None:
        found["sender"] |= user_json(github.api_base, actor)
    return found


def _login(item: Discussion | Comment) -> str:
    return item.author + ("[bot]" if item.by_app else "")


def _category(category: Category) -> Json:
    return {"id": category.number, "node_id": category.id, "name": category.name,
            "slug": category.slug, "emoji": category.emoji, "description": category.description,
            "is_answerable": category.answerable}  # fmt: skip


def _discussion(github: FakeGitHub, found: Discussion) -> Json:
    answer = found.answer
    chosen = found.answer_chosen_by
    state = "locked" if found.locked else "closed" if found.closed else "open"
    return {
        "id": found.number + 3_000_000, "node_id": found.id, "number": found.number,
        "title": found.title, "body": found.body, "html_url": found.url,
        "repository_url": f"{github.api_base}/repos/{github.repository}",
        "category": _category(found.category), "locked": found.locked, "state": state,
        "user": user_json(github.api_base, _login(found)),
        "comments": len(list(found.all_comments())),
        "created_at": stamp(found.created_at), "updated_at": stamp(found.updated_at),
        "answer_html_url": answer.url if answer else None,
        "answer_chosen_at": stamp(found.answer_chosen_at),
        "answer_chosen_by": user_json(github.api_base, chosen) if chosen else None,
        "labels": [{"name": name, "color": "ededed"} for name in found.labels],
    }  # fmt: skip


def _comment(github: FakeGitHub, found: Comment) -> Json:
    parent = found.reply_to
    return {
        "id": found.number, "node_id": found.id, "html_url": found.url, "body": found.body,
        "parent_id": parent.number if parent else None, "child_comment_count": len(found.replies),
        "user": user_json(github.api_base, _login(found)),
        "discussion_id": found.discussion.number + 3_000_000,
        "created_at": stamp(found.created_at), "updated_at": stamp(found.updated_at),
    }  # fmt: skip


def signature(secret: str, raw: bytes, how: str = "sha256") -> str:
    """Return the value of X-Hub-Signature-256 (or, with sha1, of the old header)."""
    return f"{how}={hmac.new(secret.encode(), raw, how).hexdigest()}"


def signed(
    raw: bytes, *, event: str, secret: str, guid: str, tamper: Tamper | None = None
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a delivery, spoilt as ``tamper`` says."""
    headers = {
        "X-GitHub-Event": event, "X-GitHub-Delivery": guid, "X-GitHub-Hook-ID": HOOK_ID,
        "User-Agent": "GitHub-Hookshot/fake", "Content-Type": "application/json",
        "X-Hub-Signature": signature(secret, raw, "sha1"),
        "X-Hub-Signature-256": signature(secret, raw),
    }  # fmt: skip
    replaced = {"signature": "sha256=" + hashlib.sha256(raw).hexdigest(), "malformed": "sha256",
                "non_ascii": "sha256=é"}  # fmt: skip
    if tamper in replaced:
        headers["X-Hub-Signature-256"] = replaced[tamper]
    if tamper in ("missing", "sha1_only"):
        del headers["X-Hub-Signature-256"]
    if tamper == "missing":
        del headers["X-Hub-Signature"]
    return (raw + b" " if tamper == "body" else raw), headers


async def deliver(
    url: str, *, event: str, secret: str, action: str | None = None, payload: Json | None = None,
    guid: str | None = None, tamper: Tamper | None = None, form: bool = False,
    timeout_s: float = ANSWER_WITHIN_S,
) -> int:  # fmt: skip
    """Send a delivery and return the status; without ``payload`` the example as it is.

    The same ``guid`` again is a redelivery. ``form`` sends it form-encoded. TimeoutError after
    GitHub's 10 s.
    """
    name = f"{event}.{action}" if action else event
    body = copy.deepcopy(payload) if payload is not None else example(name)
    if action is not None:
        body["action"] = action
    raw = json.dumps(body).encode()
    if form:
        raw = urlencode({"payload": raw.decode()}).encode()
    sent, headers = signed(
        raw, event=event, secret=secret, guid=guid or str(uuid.uuid4()), tamper=tamper
    )
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(url, data=io.BytesIO(sent), headers=headers) as answer,
    ):
        return answer.status
