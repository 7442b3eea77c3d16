"""Lists on GitHub, page by page: by these a post of ours is found again, never by the search.

The search is an index that lags by seconds to minutes; posting by it doubled 16 of 24.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from bot.integrations.github_discussions import documents
from bot.integrations.github_discussions.client import GitHubClient
from bot.integrations.github_discussions.errors import Missing
from bot.integrations.github_discussions.repository import Repository
from bot.integrations.github_discussions.text import key_in
from bot.integrations.github_discussions.words import Adopted, GitHubUnread, Node

BEFORE_S = 600.0  # how far before an attempt is looked: two clocks never quite agree
MOST_PAGES = 400


def instant(text: Any) -> float:
    """Unix seconds of a time as GitHub writes it."""
    return datetime.fromisoformat(str(text)).timestamp()


async def created_since(house: Repository, since: float) -> AsyncIterator[Node]:
    """Discussions begun since then, the newest first."""
    async for node in _discussions(house, documents.CREATED):
        if instant(node["createdAt"]) < since:
            return
        yield node


async def changed_since(house: Repository, since: float) -> AsyncIterator[Node]:
    """Discussions changed since then, the last changed first."""
    async for node in _discussions(house, documents.CHANGED):
        if instant(node["updatedAt"]) < since:
            return
        yield node


async def last_remarks(
    client: GitHubClient, document: str, node_id: str, since: float
) -> AsyncIterator[Node]:
    """Comments of a Discussion, or replies of a comment, since then, the newest first.

    ``document`` is ``LAST_COMMENTS`` or ``LAST_REPLIES``. Raises ``Missing`` where it is gone.
    """
    before: str | None = None
    for _ in range(MOST_PAGES):
        data = await client.read(document, {"id": node_id, "before": before})
        page = _connection(data.get("node"))
        for node in reversed([n for n in page["nodes"] if n]):
            if instant(node["createdAt"]) < since:
                return
            yield node
        if not page["pageInfo"]["hasPreviousPage"]:
            return
        before = page["pageInfo"]["startCursor"]
    raise GitHubUnread("There are more comments than can be looked through.")


async def comments_of(client: GitHubClient, discussion_id: str) -> list[Node]:
    """All comments and their replies, each comment before its replies."""
    found: list[Node] = []
    async for node in _remarks(client, documents.COMMENTS, discussion_id):
        replies = node.pop("replies")
        found += [node, *(reply for reply in replies["nodes"] if reply)]
        if replies["pageInfo"]["hasNextPage"]:
            after = replies["pageInfo"]["endCursor"]
            found += [r async for r in _remarks(client, documents.REPLIES, node["id"], after)]
    return found


async def own_posts(house: Repository) -> list[Adopted]:
    """All Discussions and comments of ours that carry a marker."""
    found: list[Adopted] = []
    async for node in _discussions(house, documents.EVERYTHING):
        comments = node.pop("comments")
        more = comments["pageInfo"]["hasNextPage"] or any(
            n and n["replies"]["pageInfo"]["hasNextPage"] for n in comments["nodes"]
        )
        if more:
            remarks = await comments_of(house.client, node["id"])
        else:
            remarks = [r for n in comments["nodes"] if n for r in (n, *n["replies"]["nodes"]) if r]
        found += _own(house, node, node)
        for remark in remarks:
            found += _own(house, node, remark)
    return found


def _own(house: Repository, discussion: Node, post: Node) -> list[Adopted]:
    key = key_in(str(post["body"])) if house.wrote(post) else ""
    if not key:
        return []
    return [
        Adopted(
            key,
            "discussion" if post is discussion else "comment",
            str(post["id"]),
            int(discussion["number"]),
            str(post["url"]),
            str(discussion["title"]),
            str((discussion.get("category") or {}).get("name") or ""),
            instant(post["createdAt"]),
            str(post["body"]),
        )
    ]


async def _discussions(house: Repository, document: str) -> AsyncIterator[Node]:
    after: str | None = None
    for _ in range(MOST_PAGES):
        data = await house.client.read(document, {**house.variables, "after": after})
        if not data.get("repository"):
            raise Missing(f"the repository {house.name}")
        page = data["repository"]["discussions"]
        for node in page["nodes"]:
            if node:
                yield node
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]
    raise GitHubUnread("There are more Discussions than can be looked through.")


async def _remarks(
    client: GitHubClient, document: str, node_id: str, after: str | None = None
) -> AsyncIterator[Node]:
    for _ in range(MOST_PAGES):
        page = _connection((await client.read(document, {"id": node_id, "after": after}))["node"])
        for node in page["nodes"]:
            if node:
                yield node
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]
    raise GitHubUnread("There are more comments than can be looked through.")


def _connection(node: Node | None) -> Node:
    """The list in a Discussion (comments) or a comment (replies)."""
    found = next(iter(node.values()), None) if node else None
    if not isinstance(found, dict):
        raise Missing("what it belongs to was deleted")
    return found
