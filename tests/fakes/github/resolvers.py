"""What each GraphQL field answers. A field that is not listed here fails loudly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.fakes.github import search
from tests.fakes.github.calls import Call
from tests.fakes.github.errors import GraphProblem, Json, missing_node
from tests.fakes.github.paging import connection
from tests.fakes.github.world import Category, Comment, Discussion, label_id, stamp

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

LABEL_COLOR = "ededed"


@dataclass(frozen=True)
class Context:
    """Who asks, and of whom."""

    github: FakeGitHub
    call: Call


@dataclass(frozen=True)
class Label:
    """A label as GraphQL sees it."""

    name: str

    @property
    def id(self) -> str:
        """Its node id."""
        return label_id(self.name)


@dataclass(frozen=True)
class Actor:
    """A person, or the bot's installation (``Bot`` as an author, ``User`` as the viewer)."""

    login: str
    kind: str = "User"

    @property
    def id(self) -> str:
        """A node id made of the login."""
        return f"{'BOT' if self.kind == 'Bot' else 'U'}_kgDO{self.login.encode().hex()}"


class Repository:
    """Stands for the one repository; everything about it is asked of the fake."""


Resolver = Callable[[Context, Any, Json], Any]
Fields = dict[str, Resolver]


def author(ctx: Context, item: Discussion | Comment) -> Actor:
    """Return who wrote it; an installation is called without [bot] here."""
    return Actor(item.author, "Bot" if item.by_app else "User")


def repository(ctx: Context, _: Any, given: Json) -> Repository:
    """Return the repository, or what GitHub says of one that cannot be seen."""
    asked = f"{given['owner']}/{given['name']}"
    if asked.lower() != ctx.github.repository.lower() or ctx.github.hidden:
        message = f"Could not resolve to a Repository with the name '{asked}'."
        raise GraphProblem("NOT_FOUND", message)
    return Repository()


def node(ctx: Context, node_id: str) -> Any:
    """Return what has this node id."""
    github = ctx.github
    if github.hidden:
        raise missing_node(node_id)
    if node_id == github.repository_id:
        return Repository()
    found: Any = next((d for d in github.discussions if d.id == node_id), None)
    found = found or next((c for c in github.categories if c.id == node_id), None)
    found = found or next((Label(n) for n in github.labels if label_id(n) == node_id), None)
    found = found or next((c for d in github.discussions for c in d.all_comments()
                           if c.id == node_id), None)  # fmt: skip
    if found is None:
        raise missing_node(node_id)
    return found


def viewer(ctx: Context, _: Any, __: Json) -> Actor:
    """Return who the token belongs to; an installation sees itself with [bot]."""
    return Actor(ctx.call.login + ("[bot]" if ctx.call.by_app else ""))


def discussions(ctx: Context, _: Any, given: Json) -> Json:
    """Return a page of discussions, filtered and in order; lists may lag behind."""
    found = ctx.github.listed(ctx.github.discussions)
    if given.get("categoryId"):
        found = [d for d in found if d.category.id == given["categoryId"]]
    if given.get("answered") is not None:
        found = [d for d in found if (d.answer is not None) is given["answered"]]
    if given.get("states"):
        found = [d for d in found if ("CLOSED" if d.closed else "OPEN") in given["states"]]
    order = given.get("orderBy") or {"field": "UPDATED_AT", "direction": "DESC"}
    field = "created_at" if order["field"] == "CREATED_AT" else "updated_at"
    backwards = order["direction"] == "DESC"
    found.sort(key=lambda d: (getattr(d, field), d.number), reverse=backwards)
    return connection(found, given)


def discussion(ctx: Context, _: Any, given: Json) -> Discussion:
    """Return the discussion with a number."""
    number = given["number"]
    for one in ctx.github.discussions:
        if one.number == number:
            return one
    message = f"Could not resolve to a Discussion with the number of {number}."
    raise GraphProblem("NOT_FOUND", message)


def labels(ctx: Context, _: Any, given: Json) -> Json:
    """Return the repository's labels; ``query`` looks into their names."""
    wanted = (given.get("query") or "").lower()
    found = [Label(n) for n in ctx.github.labels if wanted in n.lower()]
    return connection(sorted(found, key=lambda x: x.name), given)


def label(ctx: Context, _: Any, given: Json) -> Label | None:
    """Return the label with a name, whatever its case."""
    wanted = given["name"].lower()
    return next((Label(n) for n in ctx.github.labels if n.lower() == wanted), None)


def _rate(ctx: Context) -> Json:
    limits = ctx.github.limits
    return {
        "cost": 1, "limit": limits.primary, "nodeCount": 0, "remaining": limits.remaining,
        "resetAt": stamp(limits.reset_at), "used": limits.used,
    }  # fmt: skip


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


QUERY: Fields = {
    "repository": repository,
    "node": lambda c, _, a: node(c, a["id"]),
    "nodes": lambda c, _, a: [node(c, one) for one in a["ids"]],
    "viewer": viewer,
    "rateLimit": lambda c, _, a: _rate(c),
    "search": lambda c, _, a: search.find(c.github, a),
}
REPOSITORY: Fields = {
    "id": lambda c, _, a: c.github.repository_id,
    "databaseId": lambda c, _, a: 17273051,
    "name": lambda c, _, a: c.github.repository.partition("/")[2],
    "nameWithOwner": lambda c, _, a: c.github.repository,
    "owner": lambda c, _, a: Actor(c.github.repository.partition("/")[0], "Organization"),
    "url": lambda c, _, a: c.github.html_url,
    "resourcePath": lambda c, _, a: "/" + c.github.repository,
    "hasDiscussionsEnabled": lambda c, _, a: c.github.discussions_enabled,
    "isArchived": lambda c, _, a: c.github.archived,
    "isDisabled": lambda c, _, a: False,
    "isPrivate": lambda c, _, a: c.github.private,
    "viewerPermission": lambda c, _, a: c.github.permissions["repository"].upper(),
    "discussionCategories": lambda c, _, a: connection(
        c.github.categories if c.github.discussions_enabled else [], a),
    "discussionCategory": lambda c, _, a: next(
        (k for k in c.github.categories if k.slug == a["slug"]), None),
    "discussions": discussions,
    "discussion": discussion,
    "labels": labels,
    "label": label,
    "defaultBranchRef": lambda c, _, a: {
        "id": "REF_main", "name": c.github.default_branch, "prefix": "refs/heads/"},
}  # fmt: skip
DISCUSSION: Fields = {
    "id": lambda c, d, a: d.id,
    "databaseId": lambda c, d, a: d.number + 3_000_000,
    "number": lambda c, d, a: d.number,
    "title": lambda c, d, a: d.title,
    "body": lambda c, d, a: d.body,
    "url": lambda c, d, a: d.url,
    "resourcePath": lambda c, d, a: _path(d.url),
    "author": lambda c, d, a: author(c, d),
    "category": lambda c, d, a: d.category,
    "repository": lambda c, d, a: Repository(),
    "createdAt": lambda c, d, a: stamp(d.created_at),
    "updatedAt": lambda c, d, a: stamp(d.updated_at),
    "locked": lambda c, d, a: d.locked,
    "closed": lambda c, d, a: d.closed,
    "closedAt": lambda c, d, a: stamp(d.closed_at),
    "stateReason": lambda c, d, a: "RESOLVED" if d.closed else None,
    "isAnswered": lambda c, d, a: (d.answer is not None) if d.category.answerable else None,
    "answer": lambda c, d, a: d.answer,
    "answerChosenAt": lambda c, d, a: stamp(d.answer_chosen_at),
    "answerChosenBy": lambda c, d, a: d.answer_chosen_by and Actor(d.answer_chosen_by),
    "labels": lambda c, d, a: connection([Label(n) for n in d.labels], a),
    "comments": lambda c, d, a: connection(c.github.listed(d.comments), a),
    "viewerDidAuthor": lambda c, d, a: d.author == c.call.login,
    "upvoteCount": lambda c, d, a: 1,
}
COMMENT: Fields = {
    "id": lambda c, m, a: m.id,
    "databaseId": lambda c, m, a: m.number,
    "body": lambda c, m, a: m.body,
    "url": lambda c, m, a: m.url,
    "resourcePath": lambda c, m, a: _path(m.url),
    "author": lambda c, m, a: author(c, m),
    "createdAt": lambda c, m, a: stamp(m.created_at),
    "updatedAt": lambda c, m, a: stamp(m.updated_at),
    "discussion": lambda c, m, a: m.discussion,
    "replyTo": lambda c, m, a: m.reply_to,
    "replies": lambda c, m, a: connection(c.github.listed(m.replies), a),
    "isAnswer": lambda c, m, a: m.is_answer,
    "viewerDidAuthor": lambda c, m, a: m.author == c.call.login,
    "upvoteCount": lambda c, m, a: 1,
}
CATEGORY: Fields = {
    "id": lambda c, k, a: k.id,
    "name": lambda c, k, a: k.name,
    "slug": lambda c, k, a: k.slug,
    "emoji": lambda c, k, a: k.emoji,
    "description": lambda c, k, a: k.description,
    "isAnswerable": lambda c, k, a: k.answerable,
    "repository": lambda c, k, a: Repository(),
}
LABEL: Fields = {
    "id": lambda c, x, a: x.id,
    "name": lambda c, x, a: x.name,
    "color": lambda c, x, a: LABEL_COLOR,
    "repository": lambda c, x, a: Repository(),
}
ACTOR: Fields = {
    "id": lambda c, x, a: x.id,
    "login": lambda c, x, a: x.login,
    "url": lambda c, x, a: f"{c.github.api_base}/{x.login}",
    "avatarUrl": lambda c, x, a: f"{c.github.api_base}/avatars/{x.login}",
    "resourcePath": lambda c, x, a: f"/{x.login}",
}
FIELDS: dict[str, Fields] = {
    "Query": QUERY, "Repository": REPOSITORY, "Discussion": DISCUSSION,
    "DiscussionComment": COMMENT, "DiscussionCategory": CATEGORY, "Label": LABEL,
    "User": ACTOR, "Bot": ACTOR, "Organization": ACTOR,
}  # fmt: skip


def type_name(value: Any, *_: Any) -> str:
    """Return the name of a node's type."""
    if isinstance(value, Actor):
        return value.kind
    known = {Discussion: "Discussion", Comment: "DiscussionComment", Label: "Label",
             Category: "DiscussionCategory", Repository: "Repository"}  # fmt: skip
    return known[type(value)]
