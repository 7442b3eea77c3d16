"""The outbox's senders for Discussions: new ones, their edits and their labels."""

from __future__ import annotations

import asyncio

from bot.integrations.github_discussions import documents
from bot.integrations.github_discussions.errors import Denied, Missing
from bot.integrations.github_discussions.repository import DENIED, Repository
from bot.integrations.github_discussions.text import as_body, as_title, carries
from bot.integrations.github_discussions.walking import BEFORE_S, created_since
from bot.integrations.github_discussions.words import Node
from bot.outbox import Effect, Later, Never, Receipt
from bot.posting import DiscussionEdit, DiscussionPost, Labels

AGAIN_S = 1.0
GONE = "the Discussion was deleted"


class Discussions:
    """github.discussion: a new Discussion whose last line is the effect's marker."""

    def __init__(self, house: Repository) -> None:
        self._house = house

    async def send(self, effect: Effect) -> Receipt:
        """Make it. Raises ``Later`` where the repository takes none now."""
        post = DiscussionPost.model_validate(effect.payload)
        body = await asyncio.to_thread(as_body, post.body, effect.key)
        category = await self._house.category_id(post.category)
        known = await self._house.ready()
        given = {
            "repositoryId": known.id,
            "categoryId": category,
            "title": as_title(post.title),
            "body": body,
        }
        try:
            made = await self._house.change(
                documents.CREATE, given, "discussions", posts=True, place=post.category
            )
        except Missing as error:
            # The category, most likely: it is looked for again when its turn comes.
            self._house.forget()
            raise Later(str(error), self._house.client.holds.hold_s) from error
        self._house.client.holds.clear(DENIED + post.category, DENIED)
        return _receipt(made["discussion"], post.category)

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Walk the newest Discussions back to before ``since``."""
        async for node in created_since(self._house, since - BEFORE_S):
            if carries(str(node["body"]), effect.key) and self._house.wrote(node):
                return _receipt(node, str((node.get("category") or {}).get("name") or ""))
        return None


class Edits:
    """github.edit: title, body and category as they should be; may be repeated."""

    def __init__(self, house: Repository) -> None:
        self._house = house

    async def send(self, effect: Effect) -> Receipt:
        """Change it; a category that is not there leaves it where it is."""
        edit = DiscussionEdit.model_validate(effect.payload)
        body = await asyncio.to_thread(as_body, edit.body, edit.key)
        known = await self._house.ready()
        given = {
            "discussionId": edit.discussion_id,
            "title": as_title(edit.title),
            "body": body,
        }
        category = known.categories.get(edit.category.lower())
        if category is not None:
            given["categoryId"] = category[1]
        try:
            made = await self._house.change(documents.UPDATE, given, "discussions")
        except Missing as error:
            raise await gone(self._house, edit.discussion_id, GONE) from error
        return {"url": str(made["discussion"]["url"])}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """None: it is done again, which changes nothing."""
        return None


class LabelSetter:
    """github.label: those of the names that exist; may be repeated."""

    def __init__(self, house: Repository) -> None:
        self._house = house

    async def send(self, effect: Effect) -> Receipt:
        """Add them; where none exists there is nothing to do."""
        labels = Labels.model_validate(effect.payload)
        found = await self._house.label_ids(list(labels.names))
        if not found:
            return {"labels": []}
        await self._house.ready()
        given = {"labelableId": labels.discussion_id, "labelIds": list(found.values())}
        try:
            await self._house.change(documents.ADD_LABELS, given, "labels")
        except Missing as error:
            self._house.forget()
            raise await gone(self._house, labels.discussion_id, GONE) from error
        return {"labels": list(found)}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """None: it is done again, which changes nothing."""
        return None


async def gone(house: Repository, node_id: str, sentence: str) -> Exception:
    """What to raise where GitHub says that ``node_id`` is not there: ``Never`` if that is so,
    ``Later`` if it is there, or the whole repository is hidden from us now.
    """
    given = {**house.variables, "id": node_id}
    try:
        found = await house.client.read(documents.IS_THERE, given, partly=True)
    except (Missing, Denied):
        found = {}
    if not found.get("repository"):
        house.forget()
        return Later("GitHub does not show the repository", house.client.holds.hold_s)
    return Later("it is there again", AGAIN_S) if found.get("node") else Never(sentence)


def _receipt(discussion: Node, category: str) -> Receipt:
    return {
        "id": str(discussion["id"]),
        "number": int(discussion["number"]),
        "url": str(discussion["url"]),
        "category": category,
    }
