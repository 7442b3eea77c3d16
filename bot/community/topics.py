"""The community's topics, as settings name them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from bot.community.words import ChannelPurpose, ChannelSetting, Community
from content.site import load_site

ALL = "all topics"


@cache
def topic_names() -> dict[str, str]:
    """The topics by id, in the community's own order."""
    return {topic.id: topic.name for topic in load_site().topics}


def topic_words(topic: str) -> str:
    """The topic's name; "" is all of them."""
    return topic_names().get(topic, topic) if topic else ALL


def channels_of_category(
    community: Community, purpose: ChannelPurpose, category: str, names: Mapping[str, str]
) -> list[ChannelSetting]:
    """Where posts in that category of Discussions are told: channels for all topics, and those of
    a topic whose category it is, the one that was set for it or else that of its name; ``names``
    are the topics by id. A category for "all other topics" is of no topic, else each topic's
    channel would be told of all of them.
    """
    rest = community.category(None)
    own = {id: community.category(id) for id in names}
    topics = [
        id for id, name in names.items()
        if category == (own[id] if own[id] not in ("", rest) else name)
    ]  # fmt: skip
    found = [one for topic in ("", *topics) for one in community.channels(purpose, topic)]
    return list({one.channel_id: one for one in found}.values())
