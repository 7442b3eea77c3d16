"""What each mutation does to the repository, with GitHub's limits and refusals.

Unpublished wordings, written from the neighbouring REST answers: discussions disabled, archived
repository, announcement category, a reply to a reply.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.github.errors import GraphProblem, Json, missing_node
from tests.fakes.github.resolvers import Context, Repository, node
from tests.fakes.github.world import Category, Comment, Discussion, label_name

MAX_TITLE = 256
MAX_BODY = 65_536
ROLES = ("read", "triage", "write", "maintain", "admin")

Mutation = Callable[[Context, Json], Json]


def _need(ctx: Context, name: str, role: str = "read") -> None:
    """Refuse what an archived repository, the token or the account's role does not allow."""
    github = ctx.github
    if github.archived:
        raise GraphProblem("UNPROCESSABLE", "Repository was archived so is read-only.")
    if not github.discussions_enabled:
        raise GraphProblem("UNPROCESSABLE", "Discussions are disabled for this repo")
    may = github.permissions["discussions"] == "write"
    if not may:
        who = "integration" if ctx.call.by_app else "personal access token"
        raise GraphProblem("FORBIDDEN", f"Resource not accessible by {who}")
    if ROLES.index(github.permissions["repository"]) < ROLES.index(role):
        does = name[0].upper() + name[1:]
        words = f"{ctx.call.login} does not have the correct permissions to execute `{does}`"
        raise GraphProblem("FORBIDDEN", words)


def _text(*, title: str | None, body: str | None) -> None:
    if title is not None:
        if not title.strip():
            raise GraphProblem("UNPROCESSABLE", "Title can't be blank")
        if len(title) > MAX_TITLE:
            words = f"Title is too long (maximum is {MAX_TITLE} characters)"
            raise GraphProblem("UNPROCESSABLE", words)
    if body is not None:
        if not body.strip():
            raise GraphProblem("UNPROCESSABLE", "Body can't be blank")
        if len(body) > MAX_BODY:
            words = f"Body is too long (maximum is {MAX_BODY} characters)"
            raise GraphProblem("UNPROCESSABLE", words)


def _content(ctx: Context) -> None:
    if not ctx.github.limits.may_create():
        raise GraphProblem("UNPROCESSABLE", "was submitted too quickly")


def _discussion(ctx: Context, node_id: str) -> Discussion:
    found = node(ctx, node_id)
    if not isinstance(found, Discussion):
        raise missing_node(node_id)
    return found


def _comment(ctx: Context, node_id: str) -> Comment:
    found = node(ctx, node_id)
    if not isinstance(found, Comment):
        raise missing_node(node_id)
    return found


def _category(ctx: Context, node_id: str) -> Category:
    found = node(ctx, node_id)
    if not isinstance(found, Category):
        raise missing_node(node_id)
    return found


def _sender(ctx: Context) -> str:
    """Return who a webhook says did it."""
    return ctx.call.login + ("[bot]" if ctx.call.by_app else "")


def create_discussion(ctx: Context, given: Json) -> Json:
    """Start a discussion; announcement categories are for writers."""
    if not isinstance(node(ctx, given["repositoryId"]), Repository):
        raise missing_node(given["repositoryId"])
    category = _category(ctx, given["categoryId"])
    _need(ctx, "createDiscussion", "write" if category.announcement else "read")
    _text(title=given["title"], body=given["body"])
    _content(ctx)
    made = ctx.github.add_discussion(
        title=given["title"], body=given["body"], category=category.name,
        author=ctx.call.login, by_app=ctx.call.by_app,
    )  # fmt: skip
    return {"discussion": made}


def update_discussion(ctx: Context, given: Json) -> Json:
    """Change title, body or category; what is not given stays."""
    found = _discussion(ctx, given["discussionId"])
    _need(ctx, "updateDiscussion", "read" if found.author == ctx.call.login else "write")
    _text(title=given.get("title"), body=given.get("body"))
    category = _category(ctx, given["categoryId"]) if given.get("categoryId") else found.category
    moved = {"category": {"from": {"name": found.category.name}}}
    edited = {key: {"from": getattr(found, key)} for key in ("title", "body")
              if given.get(key) not in (None, getattr(found, key))}  # fmt: skip
    is_moved, found.category = category is not found.category, category
    found.title = given.get("title") or found.title
    found.body = given.get("body") or found.body
    found.updated_at = ctx.github.now()
    if edited:
        ctx.github.emit("discussion.edited", found, sender=_sender(ctx), changes=edited)
    if is_moved:
        ctx.github.emit("discussion.category_changed", found, sender=_sender(ctx), changes=moved)
    return {"discussion": found}


def delete_discussion(ctx: Context, given: Json) -> Json:
    """Take a discussion away."""
    found = _discussion(ctx, given["id"])
    _need(ctx, "deleteDiscussion", "triage")
    ctx.github.discussions.remove(found)
    return {"discussion": found}


def add_comment(ctx: Context, given: Json) -> Json:
    """Comment, or reply to a comment; a reply to a reply is refused."""
    found = _discussion(ctx, given["discussionId"])
    _need(ctx, "addDiscussionComment", "write" if found.locked else "read")
    _text(title=None, body=given["body"])
    parent = _comment(ctx, given["replyToId"]) if given.get("replyToId") else None
    if parent is not None and parent.discussion is not found:
        raise missing_node(given["replyToId"])
    if parent is not None and parent.reply_to is not None:
        words = "Parent comment is already in a thread, cannot reply to it"
        raise GraphProblem("UNPROCESSABLE", words)
    _content(ctx)
    made = ctx.github.comment(
        found, given["body"], ctx.call.login, parent, by_app=ctx.call.by_app
    )  # fmt: skip
    return {"comment": made}


def update_comment(ctx: Context, given: Json) -> Json:
    """Change a comment's text."""
    found = _comment(ctx, given["commentId"])
    _need(ctx, "updateDiscussionComment", "read" if found.author == ctx.call.login else "write")
    _text(title=None, body=given["body"])
    changes = {"body": {"from": found.body}}
    found.body, found.updated_at = given["body"], ctx.github.now()
    ctx.github.emit("discussion_comment.edited", found.discussion, comment=found,
                    sender=_sender(ctx), changes=changes)  # fmt: skip
    return {"comment": found}


def delete_comment(ctx: Context, given: Json) -> Json:
    """Take a comment away, with its replies."""
    found = _comment(ctx, given["id"])
    _need(ctx, "deleteDiscussionComment", "read" if found.author == ctx.call.login else "write")
    siblings = found.reply_to.replies if found.reply_to else found.discussion.comments
    siblings.remove(found)
    return {"comment": found}


def _labels(ctx: Context, ids: list[str]) -> list[str]:
    names = [label_name(one, ctx.github.labels) for one in ids]
    for name, one in zip(names, ids, strict=True):
        if name is None:
            raise missing_node(one)
    return [name for name in names if name is not None]


def add_labels(ctx: Context, given: Json) -> Json:
    """Add labels that exist; those already there stay as they are."""
    found = _discussion(ctx, given["labelableId"])
    _need(ctx, "addLabelsToLabelable", "triage")
    names = _labels(ctx, given["labelIds"])
    added = [name for name in dict.fromkeys(names) if name not in found.labels]
    found.labels += added
    for name in added:
        ctx.github.emit("discussion.labeled", found, sender=_sender(ctx), label=name)
    return {"labelable": found}


def remove_labels(ctx: Context, given: Json) -> Json:
    """Take labels off."""
    found = _discussion(ctx, given["labelableId"])
    _need(ctx, "removeLabelsFromLabelable", "triage")
    names = _labels(ctx, given["labelIds"])
    found.labels = [name for name in found.labels if name not in names]
    return {"labelable": found}


def mark_answer(ctx: Context, given: Json) -> Json:
    """Choose the answer, in a category that has answers."""
    found = _comment(ctx, given["id"])
    own = found.discussion.author == ctx.call.login
    _need(ctx, "markDiscussionCommentAsAnswer", "read" if own else "triage")
    if not found.discussion.category.answerable:
        raise GraphProblem("UNPROCESSABLE", "Discussion is not in an answerable category")
    ctx.github.mark_answer(found.discussion, found, ctx.call.login)
    return {"discussion": found.discussion}


def unmark_answer(ctx: Context, given: Json) -> Json:
    """Take the choice back."""
    found = _comment(ctx, given["id"])
    _need(ctx, "unmarkDiscussionCommentAsAnswer", "triage")
    found.is_answer = False
    found.discussion.answer_chosen_at = found.discussion.answer_chosen_by = None
    return {"discussion": found.discussion}


def _lock(locked: bool) -> Mutation:
    def change(ctx: Context, given: Json) -> Json:
        found = _discussion(ctx, given["lockableId"])
        _need(ctx, "lockLockable" if locked else "unlockLockable", "triage")
        found.locked, found.updated_at = locked, ctx.github.now()
        return {"lockedRecord" if locked else "unlockedRecord": found}

    return change


def _close(closed: bool) -> Mutation:
    def change(ctx: Context, given: Json) -> Json:
        found = _discussion(ctx, given["discussionId"])
        own = found.author == ctx.call.login
        _need(ctx, "closeDiscussion" if closed else "reopenDiscussion", "read" if own else "triage")
        found.closed, found.updated_at = closed, ctx.github.now()
        found.closed_at = ctx.github.now() if closed else None
        return {"discussion": found}

    return change


MUTATIONS: dict[str, Mutation] = {
    "createDiscussion": create_discussion,
    "updateDiscussion": update_discussion,
    "deleteDiscussion": delete_discussion,
    "addDiscussionComment": add_comment,
    "updateDiscussionComment": update_comment,
    "deleteDiscussionComment": delete_comment,
    "addLabelsToLabelable": add_labels,
    "removeLabelsFromLabelable": remove_labels,
    "markDiscussionCommentAsAnswer": mark_answer,
    "unmarkDiscussionCommentAsAnswer": unmark_answer,
    "lockLockable": _lock(True),
    "unlockLockable": _lock(False),
    "closeDiscussion": _close(True),
    "reopenDiscussion": _close(False),
}
