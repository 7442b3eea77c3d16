"""Which of the site's topics a word means: an id, an older id or a name, however it is written."""

from __future__ import annotations

from dataclasses import dataclass

from content.names import Entry, entry, nearest, squeeze
from content.site import Site


@dataclass(frozen=True)
class Topics:
    """The topics by every spelling of theirs; made by ``topics_of`` once."""

    by_spelling: dict[str, str]
    entries: tuple[Entry, ...]

    def find(self, text: str) -> str | None:
        """The id that ``text`` means, if any."""
        return self.by_spelling.get(squeeze(text))

    def nearest(self, text: str) -> list[str]:
        """The ids closest to ``text``, at most three."""
        return [one.value for one in nearest(text, self.entries)]


def topics_of(site: Site) -> Topics:
    """The topics of ``site``."""
    spellings = {
        squeeze(spelling): topic.id
        for topic in site.topics
        for spelling in (topic.name, topic.id, *topic.older_ids)
    }
    entries = tuple(entry(topic.name, topic.id, topic.older_ids) for topic in site.topics)
    return Topics(spellings, entries)
