"""Where articles of a topic go now, from the moderators' settings and what GitHub has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.community.words import Community
from bot.integrations.announcing.scene import Channel, Places
from content.site import Site

GENERAL = ("announcements", "general")  # where a topic without a category of its own goes


@dataclass(frozen=True, slots=True)
class Reach:
    """What can be reached: which services are configured, and where what stands is known."""

    github: bool
    discord: bool
    known: frozenset[str]
    categories: tuple[str, ...] = ()
    github_heard_at: float = 0.0


def places(site: Site, community: Community, topic_id: str | None, reach: Reach) -> Places:
    """Where an article of that topic goes."""
    topic = site.topic(topic_id) if topic_id else None
    current = topic.id if topic is not None else topic_id
    return Places(
        topic=topic.name if topic is not None else "",
        github=reach.github and "gh" in reach.known,
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
