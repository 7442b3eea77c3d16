"""Maintainers who write, change, withdraw and bring back articles, readers who ask on GitHub, and
what must come of it.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.bot.end_to_end.world import KEY, MARKER, House
from tests.fakes.discord.messages import Stored
from tests.fakes.github.world import SITE, Discussion

PLACES = ("articles", "news", "forum")
STATE = re.compile(r"State (\d+) of ([a-z]\d{3})")
QUESTION = re.compile(r"\bq\d{3}\b")
SLUG = re.compile(r"\b([a-z]\d{3})\b")
TAGS = ("kernels", "inference", "attention", "question")
CROSSPOSTED = 1 << 0
SECOND_S = 1.0  # GitHub's times are whole seconds


def topic_names() -> dict[str, str]:
    """Names of topics, and of their categories, by id."""
    topics = json.loads(Path(SITE).read_text(encoding="utf-8"))["topics"]
    return {topic["id"]: topic["name"] for topic in topics}


@dataclass
class Written:
    """An article as it is now; ``state`` counts what was changed in it."""

    slug: str
    topic: str
    tags: set[str]
    title: str = ""
    state: int = 0
    gone: bool = False
    was_seen: bool = True  # False: withdrawn at a time when perhaps nothing was announced


@dataclass
class Newsroom:
    """All articles; ``counts`` say how often what was done."""

    house: House
    chance: random.Random
    written: dict[str, Written] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    asked: dict[str, bool] = field(default_factory=dict)  # whether it must be told of in Discord
    lost_at: float = 0.0  # when the database was, of time.time
    topics: dict[str, str] = field(default_factory=topic_names)

    def publish(self, count: int) -> None:
        """New articles, all at once."""
        for _ in range(count):
            slug = f"a{len(self.written):03}"
            tags = set(self.chance.sample(TAGS, self.chance.choice((0, 1, 2))))
            made = Written(slug, self.chance.choice(list(self.topics)), tags, f"About {slug}")
            self.written[slug] = made
            self._save(made)
        self.counts["published"] += count

    def change(self) -> None:
        """Edit, withdraw or bring back one."""
        if not self.written:
            return
        one = self.chance.choice(list(self.written.values()))
        kind = self.chance.choices(("edit", "move", "tag", "withdraw"), (5, 2, 2, 3))[0]
        one.state += 1
        if one.gone:
            kind, one.gone, one.was_seen = "bring back", False, True
        elif kind == "edit":
            one.title = f"About {one.slug}, edition {one.state}"
        elif kind == "move":
            one.topic = self.chance.choice(list(self.topics))
        elif kind == "tag":
            one.tags.add(self.chance.choice(TAGS))
        else:
            one.gone, one.was_seen = True, False
            if self.lost_at and self.chance.random() < 0.5:
                kind = "delete"
        self.counts[kind] += 1
        if kind == "delete":
            (self.house.articles / f"{one.slug}.md").unlink()
        else:
            self._save(one)

    async def ask(self) -> None:
        """Somebody begins a discussion; perhaps GitHub tells of it at once."""
        name = f"q{len(self.asked):03}"
        discussion = self.house.github.add_discussion(title=f"Why {name}?", body="Who knows?")
        # A database that is lost knows neither what it told of nor what it did not come to.
        self.asked[name] = bool(self.lost_at) and time.time() > self.lost_at + SECOND_S
        self.counts["asked on GitHub"] += 1
        if self.chance.random() < 0.5:
            payload = self.house.github.event("discussion.created", discussion)
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                await self.house.deliver("discussion", "created", payload)

    def _save(self, one: Written) -> None:
        tags = f"[{', '.join(sorted(one.tags))}]" if one.tags else ""
        self.house.write(
            one.slug, title=one.title, summary=f"State {one.state} of {one.slug}.",
            topicId=one.topic, tags=tags, draft="true" if one.gone else "",
        )  # fmt: skip


class Verdict:
    """What is wrong with what stands outside; made anew for each look."""

    def __init__(self, room: Newsroom) -> None:
        self.room = room
        self.house = room.house
        self.wrong: list[str] = []
        self.discussions: dict[str, list[Discussion]] = {}
        for discussion in self.house.discussions():
            self.discussions.setdefault(_slug(discussion.title), []).append(discussion)
        self.messages = {place: _by_slug(self.house.messages(place)) for place in PLACES}
        for one in room.written.values():
            self._article(one)
        self._nothing_else()

    def _article(self, one: Written) -> None:
        found = self.discussions.get(one.slug, [])
        self._count(one, "Discussions", len(found))
        for discussion in found:
            self._discussion(one, discussion)
        for place in PLACES:
            messages = self.messages[place].get(one.slug, [])
            self._count(one, f"messages in {place}", len(messages))
            for message in messages:
                self._message(one, place, message, found)

    def _count(self, one: Written, what: str, count: int) -> None:
        if count > 1 or (count == 0 and one.was_seen):
            self.wrong.append(f"{one.slug}: {count} {what}")

    def _discussion(self, one: Written, discussion: Discussion) -> None:
        title = f"Withdrawn: {one.title}" if one.gone else one.title
        self._same(one, "title of the Discussion", discussion.title, title)
        self._same(one, "category", discussion.category.name, self.room.topics[one.topic])
        self._shows(one, "Discussion", discussion.body)
        labels = set(discussion.labels) if one.was_seen else one.tags
        self._same(one, "labels", (labels, max(Counter(discussion.labels).values(), default=1)),
                   (one.tags, 1))  # fmt: skip
        if one.was_seen:
            for place in PLACES:
                for message in self.messages[place].get(one.slug, []):
                    if not re.search(rf"/{message.id}(?!\d)", discussion.body):
                        self.wrong.append(f"{one.slug}: no link to its message in {place}")

    def _message(
        self, one: Written, place: str, message: Stored, discussions: list[Discussion]
    ) -> None:
        text = str(message.json["components"])
        self._shows(one, place, text)
        if one.title not in text:
            self.wrong.append(f"{one.slug}: another title in {place}")
        for discussion in discussions:
            if not re.search(re.escape(discussion.url) + r"(?!\d)", text):
                self.wrong.append(f"{one.slug}: no link to the Discussion in {place}")
        if place == "news" and not message.json["flags"] & CROSSPOSTED and one.was_seen:
            self.wrong.append(f"{one.slug}: not crossposted")
        thread = self.house.discord.channels.get(message.id)
        if place != "news" and thread is None and one.was_seen:
            self.wrong.append(f"{one.slug}: no thread in {place}")
        if place == "forum" and thread is not None:
            title = f"Withdrawn: {one.title}" if one.gone else one.title
            self._same(one, "name of the forum's post", thread.name, title)

    def _shows(self, one: Written, where: str, text: str) -> None:
        if one.gone:
            shown = "withdrawn" in text.casefold() and not STATE.search(text)
        else:
            shown = STATE.findall(text) == [(str(one.state), one.slug)]
        if not shown:
            self.wrong.append(f"{one.slug}: {where} does not show state {one.state}")

    def _same(self, one: Written, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.wrong.append(f"{one.slug}: {what} is {found!r} and not {wanted!r}")

    def _nothing_else(self) -> None:
        """No post without a key, no thread of nothing, and nobody was told of trouble."""
        house = self.house
        ours = sum(map(len, self.discussions.values()))
        if len(house.github.discussions) != ours + len(self.room.asked):
            self.wrong.append("a Discussion without a marker")
        keys = Counter(MARKER.findall(d.body)[0] for d in house.discussions())
        self.wrong += [f"{key} stands twice" for key, count in keys.items() if count > 1]
        for place in PLACES:
            keyed = sum(map(len, self.messages[place].values()))
            every = len(house.discord.channel_messages(house.discord.home.channel(place)))
            under = [c for c in house.discord.channels.values()
                     if c.parent is house.discord.home.channel(place)]  # fmt: skip
            if place != "forum" and every != keyed:
                self.wrong.append(f"{place}: {every} messages, {keyed} with a key")
            if place == "forum" and len(under) != keyed:
                self.wrong.append(f"{place}: {len(under)} posts, {keyed} with a key")
        for told in house.discord.channel_messages(house.discord.home.channel("mods")):
            self.wrong.append(f"moderators were told: {told.json['components']}")
        talk = house.discord.channel_messages(house.discord.home.channel("talk"))
        counts: Counter[str] = Counter()
        for message in talk:
            counts.update(set(QUESTION.findall(str(message.json["components"]))))
        for name, must in self.room.asked.items():
            if counts[name] > 1 or (must and not counts[name]):
                self.wrong.append(f"{name} is told of {counts[name]} times")


def _slug(text: str) -> str:
    found = SLUG.search(text)
    return found[1] if found else ""


def _by_slug(messages: list[Stored]) -> dict[str, list[Stored]]:
    found: dict[str, list[Stored]] = {}
    for message in messages:
        text = str(message.json["components"])
        assert KEY.search(text)
        found.setdefault(_slug(text), []).append(message)
    return found
