"""The articles that lie on this machine, for a command line without the running bot."""

from __future__ import annotations

from config.settings import load_settings
from content.library import Library
from content.sources.address import canonical
from content.sources.article import Article
from content.sources.read import read_directory
from content.sources.source import directory_of, kind_of


def read_here() -> tuple[Library, tuple[str, ...]]:
    """What the directories of K2C_ARTICLES hold, and the sources that only the bot reads.

    Raises ``SettingsError``.
    """
    settings = load_settings()
    here = [source for source in settings.articles if kind_of(source) == "directory"]
    found: dict[str, Article] = {}
    for source in here:
        for article in read_directory(directory_of(source), settings.site_url)[0]:
            found.setdefault(canonical(article.url), article)
    library = Library()
    library.replace(found.values())
    return library, tuple(source for source in settings.articles if source not in here)
