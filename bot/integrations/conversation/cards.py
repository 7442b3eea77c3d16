"""How a notice looks: one discussion, or several when much happens at once."""

from __future__ import annotations

from collections.abc import Sequence

from bot.integrations.conversation.seen import Remark, Seen
from bot.posting import Card

MOST = 10  # discussions in one notice
WORDS = {
    "answered": "answered",
    "closed": "closed",
    "locked": "locked",
    "deleted": "deleted",
    "transferred": "moved to another repository",
}


def notice_card(discussions: Sequence[Seen]) -> Card:
    """One discussion with its first words and its newest comment; several as a list."""
    if len(discussions) == 1:
        return _one(discussions[0])
    lines = tuple(f"{_title(d)} \u00b7 {_standing(d)}" for d in discussions)
    links = tuple((f"{place}. {d.title}"[:70], d.url) for place, d in enumerate(discussions, 1))
    numbered = tuple(f"{place}. {line}" for place, line in enumerate(lines, 1))
    gone = all(d.state == "deleted" for d in discussions)
    head = f"{len(discussions)} discussions with news on GitHub"
    return Card(title=head, lines=numbered, links=links, tone="notice" if gone else "answer")


def _one(one: Seen) -> Card:
    lines: list[str] = []
    if one.state == "answered" and one.answer is not None:
        lines.append(f"Answered by {one.answer.author}: {one.answer.excerpt}")
    elif one.remark is not None and not one.remark.own:
        lines.append(f"{one.remark.author}: {one.remark.excerpt}")
    if not one.own and one.excerpt and one.state != "deleted":
        lines.insert(0, one.excerpt)
    link = one.url
    if one.state == "answered" and one.answer is not None:
        link = one.answer.url
    gone = one.state == "deleted"
    links = () if gone else (("Read the answer" if link != one.url else "Open", link),)
    return Card(
        title=_title(one),
        url="" if gone else one.url,
        lines=tuple(lines),
        note=_standing(one),
        links=links,
        tone="notice" if one.state in ("closed", "locked", "deleted", "transferred") else "answer",
    )


def _title(one: Seen) -> str:
    return one.title or f"Discussion {one.number}"


def _standing(one: Seen) -> str:
    said = "" if one.own else f"by {one.author}"
    count = f"{one.comments} {'comment' if one.comments == 1 else 'comments'}"
    parts = (one.category, said, count if one.comments else "", WORDS.get(one.state, ""))
    return " \u00b7 ".join(part for part in parts if part)


def answer_card(one: Seen, answer: Remark) -> Card:
    """The accepted answer, as a reply under the message that the discussion came from."""
    return Card(
        title=f"Answered on GitHub by {answer.author}",
        url=answer.url,
        lines=(answer.excerpt,) if answer.excerpt else (),
        note=_title(one),
        links=(("Read the answer", answer.url),),
    )
