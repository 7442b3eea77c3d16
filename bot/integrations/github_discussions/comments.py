"""The outbox's sender for comments: one under a Discussion, or a reply to one."""

from __future__ import annotations

import asyncio

from bot.integrations.github_discussions import documents
from bot.integrations.github_discussions.errors import Missing
from bot.integrations.github_discussions.posts import gone
from bot.integrations.github_discussions.repository import Repository
from bot.integrations.github_discussions.text import as_body, carries
from bot.integrations.github_discussions.walking import BEFORE_S, last_remarks
from bot.outbox import Effect, Receipt
from bot.posting import Comment

GONE = "what it answers was deleted"


class Comments:
    """github.comment: its last line is the effect's marker."""

    def __init__(self, house: Repository) -> None:
        self._house = house

    async def send(self, effect: Effect) -> Receipt:
        """Make it."""
        comment = Comment.model_validate(effect.payload)
        body = await asyncio.to_thread(as_body, comment.body, effect.key)
        await self._house.ready()
        given = {"discussionId": comment.discussion_id, "body": body}
        if comment.reply_to:
            given["replyToId"] = comment.reply_to
        try:
            made = await self._house.change(documents.ADD_COMMENT, given, "discussions", posts=True)
        except Missing as error:
            raise await gone(
                self._house, comment.reply_to or comment.discussion_id, GONE
            ) from error
        return {"id": str(made["comment"]["id"]), "url": str(made["comment"]["url"])}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Look through the newest comments, or replies, back to before ``since``."""
        comment = Comment.model_validate(effect.payload)
        where = comment.reply_to or comment.discussion_id
        document = documents.LAST_REPLIES if comment.reply_to else documents.LAST_COMMENTS
        remarks = last_remarks(self._house.client, document, where, since - BEFORE_S)
        try:
            async for node in remarks:
                if carries(str(node["body"]), effect.key) and self._house.wrote(node):
                    return {"id": str(node["id"]), "url": str(node["url"])}
        except Missing:
            return None  # it went with what it answers; sending it again says so
        return None
