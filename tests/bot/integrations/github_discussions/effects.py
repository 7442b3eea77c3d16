"""Effects of the five kinds, as those who decide enqueue them."""

from __future__ import annotations

import base64
import hashlib

from bot.outbox import Effect
from bot.posting import Comment, DiscussionEdit, DiscussionPost, Labels, RepositoryFile

CATEGORY = "General"
PICTURES = "mlsystems/site@main"
PNG = b"\x89PNG\r\n\x1a\n picture"


def post(key: str = "gh:a:new", title: str = "A title", category: str = CATEGORY,
         body: str = "A body.") -> Effect:  # fmt: skip
    made = DiscussionPost(category=category, title=title, body=body)
    return Effect(key, "github.discussion", made.payload())


def edit(discussion_id: str, of: str, key: str = "gh:a:edit:1", title: str = "Another",
         body: str = "Other.", category: str = CATEGORY) -> Effect:  # fmt: skip
    made = DiscussionEdit(
        discussion_id=discussion_id, key=of, title=title, body=body, category=category
    )
    return Effect(key, "github.edit", made.payload())


def labels(discussion_id: str, *names: str, key: str = "gh:a:label:1") -> Effect:
    return Effect(key, "github.label", Labels(discussion_id=discussion_id, names=names).payload())


def comment(discussion_id: str, key: str = "gh:a:comment", body: str = "Said.",
            reply_to: str = "") -> Effect:  # fmt: skip
    made = Comment(discussion_id=discussion_id, body=body, reply_to=reply_to)
    return Effect(key, "github.comment", made.payload())


def picture(content: bytes = PNG, path: str = "") -> Effect:
    digest = hashlib.sha256(content).hexdigest()
    made = RepositoryFile(
        path=path or f"results/{digest}.png",
        content=base64.b64encode(content).decode(),
        message="A chart",
    )
    return Effect(f"gh:file:{digest}", "github.file", made.payload())
