"""The community's topics, as settings name them."""

from __future__ import annotations

from functools import cache

from content.site import load_site

ALL = "all topics"


@cache
def topic_names() -> dict[str, str]:
    """The topics by id, in the community's own order."""
    return {topic.id: topic.name for topic in load_site().topics}


def topic_words(topic: str) -> str:
    """The topic's name; "" is all of them."""
    return topic_names().get(topic, topic) if topic else ALL
