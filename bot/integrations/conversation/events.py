"""GitHub's webhooks and lists, read into what they tell. Unknown keys and values are passed over.

Own posts are known by their author and their marker together: a maintainer may use the same
account, and anybody may paste a marker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bot.integrations.conversation.excerpt import excerpt
from bot.integrations.conversation.seen import Remark, Seen, State
from content.sources.values import storable

IsOwn = Callable[[str], bool]  # whether a login is ours

MARKER = "<!-- k2c:post key="
TITLE = 256  # GitHub's limit
WORD, ADDRESS = 200, 1_000  # characters of a name or an id, of an address
MOST = 2**53  # of numbers; larger ones SQLite would not take
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
# What is told of; labels, pins and the like change nothing that a notice shows.
ACTIONS = frozenset(
    {
        "created", "edited", "deleted", "answered", "unanswered", "closed", "reopened", "locked",
        "unlocked", "category_changed", "transferred",
    }
)  # fmt: skip


def read_event(event: str, action: str, payload: Mapping[str, Any], is_own: IsOwn) -> Seen | None:
    """What a delivery tells; None when it is nothing for a notice or cannot be read."""
    if event not in ("discussion", "discussion_comment") or action not in ACTIONS:
        return None
    try:
        return _read(event, action, payload, is_own)
    except UNREADABLE:
        return None


def _read(event: str, action: str, payload: Mapping[str, Any], is_own: IsOwn) -> Seen:
    found: Any = payload["discussion"]
    body, author = found.get("body") or "", _login(found.get("user"))
    told = event == "discussion_comment" and action == "created"
    answer = payload.get("answer") if action == "answered" else None
    return Seen(
        number=_number(found["number"]),
        node_id=_word(found["node_id"]),
        title=_word(found["title"], TITLE),
        url=_word(found["html_url"], ADDRESS),
        category=_word((found.get("category") or {}).get("name") or ""),
        author=author,
        own=is_own(author) and MARKER in body,
        excerpt=excerpt(body),
        state=_state(event, action, found),
        comments=_number(found.get("comments") or 0),
        created_at=_instant(found["created_at"]),
        updated_at=_instant(found.get("updated_at") or found["created_at"]),
        answer=_remark(answer, is_own) if answer else None,
        knows_answer=event == "discussion" and action in ("answered", "unanswered"),
        remark=_remark(payload["comment"], is_own) if told else None,
    )


def _state(event: str, action: str, found: Mapping[str, Any]) -> State:
    if event == "discussion" and action == "deleted":
        return "deleted"
    if event == "discussion" and action == "transferred":
        return "transferred"
    if found.get("answer_html_url") and action != "unanswered":
        return "answered"
    if found.get("locked"):
        return "locked"
    return "closed" if found.get("state") == "closed" else "open"


def _remark(comment: Mapping[str, Any], is_own: IsOwn) -> Remark:
    author, body = _login(comment.get("user")), comment.get("body") or ""
    return Remark(
        id=_word(comment["node_id"]),
        url=_word(comment["html_url"], ADDRESS),
        author=author,
        own=is_own(author) and MARKER in body,
        excerpt=excerpt(body),
        at=_instant(comment["created_at"]),
    )


def read_listed(node: Mapping[str, Any], is_own: IsOwn) -> Seen:
    """What the list of discussions (GraphQL) tells of one."""
    body, author = node.get("body") or "", _login(node.get("author"))
    answer = node.get("answer")
    comments: Any = node.get("comments") or {}
    newest = next(iter(reversed(comments.get("nodes") or [])), None)
    state: State = "answered" if answer else "locked" if node.get("locked") else "open"
    if state == "open" and node.get("closed"):
        state = "closed"
    return Seen(
        number=_number(node["number"]),
        node_id=_word(node["id"]),
        title=_word(node["title"], TITLE),
        url=_word(node["url"], ADDRESS),
        category=_word((node.get("category") or {}).get("name") or ""),
        author=author,
        own=is_own(author) and MARKER in body,
        excerpt=excerpt(body),
        state=state,
        comments=_number(comments.get("totalCount") or 0),
        created_at=_instant(node["createdAt"]),
        updated_at=_instant(node["updatedAt"]),
        answer=_listed_remark(answer, is_own) if answer else None,
        knows_answer=True,
        remark=_listed_remark(newest, is_own) if newest else None,
    )


def _listed_remark(node: Mapping[str, Any], is_own: IsOwn) -> Remark:
    author, body = _login(node.get("author")), node.get("body") or ""
    return Remark(
        id=_word(node["id"]),
        url=_word(node["url"], ADDRESS),
        author=author,
        own=is_own(author) and MARKER in body,
        excerpt=excerpt(body),
        at=_instant(node["createdAt"]),
    )


def _login(user: Mapping[str, Any] | None) -> str:
    """An account that was deleted is "ghost", as on GitHub."""
    return _word((user or {}).get("login") or "ghost")


def _word(value: Any, most: int = WORD) -> str:
    """A text that can be stored, of at most ``most`` characters. Raises ``TypeError``."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return storable(value[:most])


def _number(value: Any) -> int:
    """A number that can be stored. Raises ``TypeError`` and ``ValueError``."""
    if not isinstance(value, int):
        raise TypeError("no whole number")
    if not 0 <= value < MOST:
        raise ValueError("no such number")
    return value


def _instant(text: str) -> float:
    """Unix seconds of ``2021-03-30T16:09:00.000-04:00`` or ``...Z``."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
