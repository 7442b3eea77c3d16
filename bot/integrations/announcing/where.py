"""Where articles of a topic go now, from the moderators' settings and what GitHub has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.community.words import Community
from bot.integrations.announcing.finding import Finder
from bot.integrations.announcing.records import GITHUB
from bot.integrations.announcing.scene import Channel, Places
from content.site import Site

GENERAL = ("announcements", "general")  # where a topic without a category of its own goes


Wheres = dict[str | None, Places]


@dataclass(frozen=True, slots=True)
class Reach:
    """What can be reached: which services are configured, and where what stands is known."""

    github: bool
    discord: bool
    known: frozenset[str]
    categories: tuple[str, ...] = ()
    github_heard_at: float = 0.0


class Whereabouts:
    """Asks the settings and GitHub's categories each time anew. ``heard_at``: when GitHub last did
    something.
    """

    def __init__(
        self, site: Site, community: Community, categories: Callable[[], list[str]], finder: Finder
    ) -> None:
        self.heard_at = 0.0
        self._site = site
        self._community = community
        self._categories = categories
        self._finder = finder

    def of(self, topics: Iterable[str | None]) -> Wheres:
        """Where articles of each of these topics go now."""
        finder = self._finder
        names = tuple(self._categories()) if finder.github else ()
        known = frozenset(finder.known)
        reach = Reach(finder.github, finder.discord, known, names, self.heard_at)
        return {topic: places(self._site, self._community, topic, reach) for topic in set(topics)}

    def of_one(self, topic: str | None) -> Places:
        """Where articles of that topic go now."""
        return self.of([topic])[topic]

    def asked(self) -> list[str]:
        """Every place that is used for announcements."""
        github = [GITHUB] if self._finder.github else []
        channels = self._community.channels("announcements") if self._finder.discord else []
        return [*github, *dict.fromkeys(setting.channel_id for setting in channels)]

    def moderators(self) -> list[tuple[str, str]]:
        """Where moderators are told (guild, channel)."""
        if not self._finder.discord:
            return []
        found = self._community.channels("moderators")
        return list(dict.fromkeys((one.guild_id, one.channel_id) for one in found))


def places(site: Site, community: Community, topic_id: str | None, reach: Reach) -> Places:
    """Where an article of that topic goes."""
    topic = site.topic(topic_id) if topic_id else None
    current = topic.id if topic is not None else topic_id
    return Places(
        topic=topic.name if topic is not None else "",
        github=reach.github and GITHUB in reach.known,
        wants_github=reach.github,
        category=category(site, community, current, reach.categories) if reach.github else "",
        github_heard_at=reach.github_heard_at,
        channels=_channels(community, current, reach) if reach.discord else (),
    )


def category(site: Site, community: Community, topic_id: str | None, names: Iterable[str]) -> str:
    """The topic's category: the moderators' choice, else one named like the topic, else a general
    one, else the first; "" while none is known.
    """
    if chosen := community.category(topic_id):
        return chosen
    known = list(names)
    by_name = {" ".join(name.casefold().split()): name for name in reversed(known)}
    topic = site.topic(topic_id) if topic_id else None
    own = (topic.name, topic.id, *topic.older_ids) if topic is not None else ()
    for wanted in (*own, *GENERAL):
        if wanted.casefold() in by_name:
            return by_name[wanted.casefold()]
    return known[0] if known else ""


def _channels(community: Community, topic_id: str | None, reach: Reach) -> tuple[Channel, ...]:
    settings = community.channels("announcements", topic_id)
    if topic_id is None:  # asked without a topic, it names those of every topic
        settings = [setting for setting in settings if not setting.topic]
    return tuple(
        Channel(
            s.channel_id, s.guild_id, s.thread, community.ping_role(s.guild_id, topic_id),
            s.channel_id in reach.known,
        )
        for s in settings
    )  # fmt: skip
