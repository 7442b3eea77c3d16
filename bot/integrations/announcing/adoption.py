"""Posts that a lost database made, known again by the key that each carries. No I/O.

Of what is found, articles become announced and their effects done; those that came after the first
of them and were not posted were missed, and wait. What was there before it stays the baseline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from bot.effects import Effect, Receipt, Told
from bot.integrations.announcing.plan import digest_now, targets
from bot.integrations.announcing.records import ADOPTED, GITHUB, Post, Record
from bot.integrations.announcing.scene import Places, Scene
from content.sources.article import short_key

MARKER = "<!-- k2c:post key="
RECENT_S = 86_400.0  # what was posted in one place alone by then was on its way to the others


@dataclass(frozen=True, slots=True)
class Found:
    """A post of ours as it stands outside; ``key_short`` is the key it carries, ``at`` its time.

    ``done`` are the receipts of what was done with it besides: its crosspost, its thread.
    ``shown``: ``shown_digest`` of the text that stands there, "" where that is not known.
    """

    place: str
    key_short: str
    receipt: Mapping[str, JsonValue]
    at: float
    title: str = ""
    category: str = ""
    done: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    shown: str = ""


@dataclass(slots=True)
class Adopting:
    """Records and posts to be kept, and the effects that are done."""

    records: list[Record] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    effects: list[tuple[Effect, Receipt]] = field(default_factory=list)


def adopt(
    records: Iterable[Record],
    posts: Mapping[str, list[Post]],
    found: Iterable[Found],
    where: Mapping[str | None, Places],
    now: float,
    told: Callable[[list[Post]], Mapping[str, Told]] = lambda posts: {},
) -> Adopting:
    """What of ``found`` belongs to ``records`` whose ``posts`` (by short key) do not have it yet.

    ``where`` says where articles of each topic go now; ``told`` how effects of posts stand.
    """
    known = list(found)
    index = {(one.place, one.key_short): one for one in known}
    first_at: dict[str, float] = {}
    for one in known:
        first_at[one.place] = min(one.at, first_at.get(one.place, one.at))
    adopting, left, earliest = Adopting(), [], float("inf")
    for record in records:
        held = posts.get(record.short, [])
        mine = _mine(record, held, where[record.article.topic], index)
        if mine and record.state in ("baseline", "waiting") and record.article.date is not None:
            earliest = min(earliest, record.article.date.timestamp())
        if mine or (record.by == ADOPTED and record.state == "announced"):
            scene = Scene(record, tuple(held), told(held), where[record.article.topic], now)
            _take(adopting, scene, mine, first_at)
        else:
            left.append(record)
    adopting.records += [
        replace(record, state="waiting") for record in left
        if record.state == "baseline" and record.article.date is not None
        and record.article.date.timestamp() >= earliest
    ]  # fmt: skip
    return adopting


def _mine(
    record: Record, held: list[Post], where: Places, index: Mapping[tuple[str, str], Found]
) -> list[tuple[Post, Found]]:
    have = {post.target for post in held if post.last}
    wanted = [
        *held,
        *(p for p in targets(record, where) if p.target not in {h.target for h in held}),
    ]
    pairs = ((post, index.get((post.place, short_key(post.target)))) for post in wanted)
    return [(post, one) for post, one in pairs if one is not None and post.target not in have]


def _take(
    adopting: Adopting, scene: Scene, mine: list[tuple[Post, Found]], first_at: Mapping[str, float]
) -> None:
    record, where, held = scene.record, scene.where, scene.posts
    if record.state != "announced":
        at = min(one.at for _, one in mine)
        record = replace(record, state="announced", announced_at=at, by=ADOPTED)
    known = {post.target for post in (*held, *(post for post, _ in mine))}
    missing = [
        post for post in targets(record, where)
        if post.target not in known and _owed(post, record, first_at, scene.now)
    ]  # fmt: skip
    if not mine and not missing:
        return
    adopting.records.append(replace(record, settled=False))
    found = {post.target: _told(one.receipt) for post, one in mine}
    found |= {f"{p.base}:{what}": _told(r) for p, one in mine for what, r in one.done.items()}
    every = {post.target: post for post in (*held, *(post for post, _ in mine), *missing)}
    receipts = {**scene.receipts, **found}
    for post, one in mine:
        now = Scene(record, tuple(every.values()), receipts, where, float("inf"))
        shown = digest_now(record, now.posts, receipts, where, post)
        made = replace(post, last=post.target, digest=shown if _in_step(now, one) else "")
        adopting.posts.append(made)
        kind = "github.discussion" if post.place == GITHUB else "discord.post"
        adopting.effects.append((Effect(post.target, kind, {}), dict(one.receipt)))
        for what, receipt in one.done.items():
            effect = Effect(f"{post.base}:{what}", f"discord.{what}", {})
            adopting.effects.append((effect, dict(receipt)))
    adopting.posts += missing


def _told(receipt: Mapping[str, JsonValue]) -> Told:
    return Told("sent", dict(receipt), "", 0)


def _in_step(now: Scene, one: Found) -> bool:
    """Whether what stands there shows what it should. Of a message that cannot be told, as Discord
    gives its parts and not its text: it is edited once, which tells nobody.
    """
    if one.place != GITHUB:
        return False
    wanted = now.discussion()
    standing = (one.title, one.category, one.shown)
    return standing == (wanted.title, wanted.category, shown_digest(wanted.body))


def shown_digest(body: str) -> str:
    """SHA-256 of a Discussion's text without our marker, which the sender adds."""
    lines = (line for line in body.splitlines() if not line.startswith(MARKER))
    return hashlib.sha256("\n".join(lines).strip().encode()).hexdigest()


def _owed(post: Post, record: Record, first_at: Mapping[str, float], now: float) -> bool:
    """Whether the place was already in use when the article was posted elsewhere."""
    begun = first_at.get(post.place)
    if begun is not None and begun <= record.announced_at:
        return True
    return now - record.announced_at <= RECENT_S
