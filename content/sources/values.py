"""What the texts of front matter and feeds mean: a day, a yes, a list of names."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from content.sources.yaml_texts import Value

YES = frozenset(("true", "yes", "on", "y", "1"))
NO = frozenset(("false", "no", "off", "n", "0", ""))
# Astro's starter writes "Jul 08 2022", Jekyll "2026-11-12 10:00:00 +0100".
FORMS = (
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%d %H:%M %z",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%b %d %Y",
    "%b %d, %Y",
    "%B %d %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d %B %Y",
)
HALVES = re.compile("[\ud800-\udfff]")
MAX_NAMES = 20
NAME = 80  # characters of an author or a tag


def instant(text: str) -> datetime:
    """The instant, in UTC; a day is its first moment there. Raises ``ValueError``."""
    clean = " ".join(text.split())
    try:
        return _in_utc(datetime.fromisoformat(clean))
    except ValueError:
        pass
    for form in FORMS:
        try:
            return _in_utc(datetime.strptime(clean, form))
        except ValueError:
            continue
    try:
        return _in_utc(parsedate_to_datetime(clean))
    except (ValueError, TypeError, IndexError):
        raise ValueError(f"{text[:60]!r} is no date such as 2026-11-12.") from None


def _in_utc(given: datetime) -> datetime:
    try:
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except OverflowError:
        raise ValueError("a date outside the calendar") from None


def truth(text: str) -> bool:
    """Yes or no as YAML, TOML and JSON write it. Raises ``ValueError``."""
    word = text.strip().lower()
    if word not in YES and word not in NO:
        raise ValueError(f"{text[:60]!r} is neither true nor false.")
    return word in YES


def one_line(text: str, limit: int) -> str:
    """``text`` without line ends, control signs and more than ``limit`` characters."""
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() or sign.isspace() else "" for sign in text)
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "\u2026"


def storable(text: str) -> str:
    """``text`` without the halves of characters that JSON can hold and no database can."""
    return text if text.isascii() else HALVES.sub("\ufffd", text)


def names(value: Value, *, split: str = ",") -> tuple[str, ...]:
    """The names in a text, a list of texts, or a list of mappings with a name."""
    if isinstance(value, str):
        value = [*re.split(split, value)]
    found = (_name(one) for one in ([value] if isinstance(value, dict) else value))
    kept = dict.fromkeys(name for name in found if name)
    return tuple(kept)[:MAX_NAMES]


def _name(value: Value) -> str:
    if isinstance(value, str):
        return one_line(value, NAME)
    if isinstance(value, dict):
        given = (value.get(key) for key in ("name", "title", "username", "key", "id"))
        return next((one_line(one, NAME) for one in given if isinstance(one, str) and one), "")
    return ""
