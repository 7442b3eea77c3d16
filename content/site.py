"""The community's own words on its home page: title, intro, topics and tools (site.json)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from content.errors import CatalogueError

SITE_FILE = Path(__file__).with_name("site.json")

Words = Annotated[str, Field(min_length=1, max_length=400)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


class Topic(_Words):
    """One of the subjects that articles and discussions are sorted by; ``order`` from 1."""

    id: Id
    order: int = Field(ge=1)
    name: Words
    desc: Words
    older_ids: tuple[Id, ...] = ()


class SiteTool(_Words):
    """A tool as the home page announces it, whether or not it exists here yet."""

    id: Id
    name: Words
    desc: Words


class Site(_Words):
    """What the home page says; ``source`` tells where and when it was taken from."""

    source: Words
    title: Words
    intro: Words
    topics: tuple[Topic, ...] = Field(min_length=1)
    tools: tuple[SiteTool, ...] = Field(min_length=1)

    def topic(self, topic_id: str) -> Topic | None:
        """The topic of that id, older ids included."""
        return next((t for t in self.topics if topic_id in (t.id, *t.older_ids)), None)


def load_site(path: Path = SITE_FILE) -> Site:
    """The words, topics in their order. Raises ``CatalogueError`` naming the entry at fault."""
    try:
        site = Site.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CatalogueError(path.name, 0, "-", str(error), "a readable JSON file") from error
    except ValidationError as error:
        raise _broken(path.name, error) from error
    site = site.model_copy(update={"topics": tuple(sorted(site.topics, key=lambda t: t.order))})
    _check_ids(path.name, "topics", [i for t in site.topics for i in (t.id, *t.older_ids)])
    _check_ids(path.name, "tools", [tool.id for tool in site.tools])
    return site


def _broken(file: str, error: ValidationError) -> CatalogueError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "-"
    row = next((part + 1 for part in first["loc"] if isinstance(part, int)), 0)
    return CatalogueError(file, row, where, repr(first["input"])[:80], first["msg"])


def _check_ids(file: str, where: str, ids: list[str]) -> None:
    for place, one in enumerate(ids):
        if one in ids[:place]:
            raise CatalogueError(file, 0, where, repr(one), "each id once")
