"""Front matter as plain texts with their lines: YAML, TOML or JSON at the head of a file.

Every scalar stays the text that was written, whatever YAML 1.1 takes it for: ``title: No`` is
"No", ``tags: [on, off]`` are two words, and a key ``no`` is a key.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from content.sources.values import storable
from content.sources.yaml_texts import Broken, Value, read_yaml

MAX_HEAD = 16_384  # characters of front matter; what is longer is no article's
MAX_DEPTH = 20
MAX_BITS = 256  # of a number
HUGE = "a number in it has too many digits"
FENCES = {"---": ("---", "..."), "+++": ("+++",)}
COLON = re.compile(r"^(\s*[A-Za-z_][\w-]*:[ \t]+)([^\s'\"\[{|>&*!].*:\s.*)$")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """``values`` by key; ``lines`` (1-based) of the keys; ``complaints``: (line, sentence) of what
    is wrong though it could be read; ``heading``: the first ``# heading`` after it, if any.
    """

    values: Mapping[str, Value]
    lines: Mapping[str, int]
    complaints: tuple[tuple[int, str], ...] = ()
    heading: str = ""


@dataclass
class _Read:
    """What a format's reader found; lines count from the head's first."""

    values: dict[str, Value]
    lines: dict[str, int] = field(default_factory=dict)
    complaints: list[tuple[int, str]] = field(default_factory=list)


def read_front_matter(content: bytes) -> FrontMatter:
    """The front matter of a Markdown or MDX file. Raises ``Broken`` with line and sentence."""
    text = _decoded(content)
    stripped = text.lstrip()
    skipped = text.count("\n", 0, len(text) - len(stripped))
    if stripped.startswith("{"):
        read, rest = _json(stripped, skipped)
    else:
        head, rest, first, fence = _fenced(stripped, skipped)
        read = _toml(head, first) if fence == "+++" else _yaml(head, first)
    heading = re.search(r"^# +(.*)$", rest, re.MULTILINE)
    title = heading[1].strip().rstrip("#").strip() if heading else ""
    return FrontMatter(read.values, read.lines, tuple(read.complaints), title)


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Broken(line, "The file is not UTF-8 text.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _fenced(text: str, skipped: int) -> tuple[str, str, int, str]:
    """The head between its fences, the rest, the line before the head's first, and the fence."""
    opening, _, rest = text.partition("\n")
    fence = opening.rstrip()
    if fence not in FENCES:
        raise Broken(1, "The file has no front matter: it must begin with ---, +++ or {.")
    lines = rest[: MAX_HEAD + 8].split("\n")
    for place, line in enumerate(lines):
        if line.rstrip() in FENCES[fence]:
            head = "\n".join(lines[:place])
            return head, rest[len(head) :].partition("\n")[2], skipped + 1, fence
    where = f"in the first {MAX_HEAD:,} characters" if len(rest) > MAX_HEAD else "anywhere"
    raise Broken(skipped + 1, f"Front matter begins with {fence} here and is not closed {where}.")


def _yaml(head: str, first: int) -> _Read:
    """As written; a title with an unquoted colon is read all the same, and complained of."""
    complaints: list[tuple[int, str]] = []
    try:
        values, lines, doubled = read_yaml(head, MAX_DEPTH)
    except Broken as error:
        mended, places = _quoted_colons(head)
        if not places:
            raise Broken(error.line + first, error.sentence) from None
        try:
            values, lines, doubled = read_yaml(mended, MAX_DEPTH)
        except Broken:
            raise Broken(error.line + first, error.sentence) from None
        colon = "There is a colon in the text: YAML wants it in quotes."
        complaints = [(place + first, colon) for place in places]
    complaints += [(line + first, f"The key {key!r} is given twice.") for key, line in doubled]
    return _Read(values, {key: line + first for key, line in lines.items()}, complaints)


def _quoted_colons(head: str) -> tuple[str, list[int]]:
    """``title: A: B`` as ``title: 'A: B'``, and the lines (from 1) where that was done."""
    lines, places = head.split("\n"), []
    for place, line in enumerate(lines):
        match = COLON.match(line)
        if match:
            quoted = match[2].rstrip().replace("'", "''")
            lines[place] = f"{match[1]}'{quoted}'"
            places.append(place + 1)
    return "\n".join(lines), places


def _toml(head: str, first: int) -> _Read:
    try:
        values = tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        line = int(at[1]) if at else head.count("\n") + 1
        raise Broken(line + first, f"The TOML cannot be read: {_first(error)}.") from None
    except RecursionError:
        raise Broken(first, "The TOML is nested too deeply.") from None
    except ValueError:
        raise Broken(first, f"The TOML cannot be read: {HUGE}.") from None
    lines = {
        match[1]: place + first
        for place, line in enumerate(head.split("\n"), start=1)
        if (match := re.match(r"\s*[\"']?([\w-]+)[\"']?\s*=", line))
    }
    return _Read({key: _texts(value) for key, value in values.items()}, lines)


def _json(text: str, skipped: int) -> tuple[_Read, str]:
    doubled: list[str] = []

    def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in given]
        doubled.extend(dict.fromkeys(key for key in keys if keys.count(key) > 1))
        return dict(given)

    try:
        decoder = json.JSONDecoder(object_pairs_hook=pairs)
        values, end = decoder.raw_decode(text[:MAX_HEAD])
    except json.JSONDecodeError as error:
        line = error.lineno + skipped
        raise Broken(line, f"The JSON front matter cannot be read: {error.msg}.") from None
    except RecursionError:
        raise Broken(skipped + 1, "The JSON is nested too deeply.") from None
    except ValueError:
        raise Broken(skipped + 1, f"The JSON front matter cannot be read: {HUGE}.") from None
    head = text[:end]
    lines = {key: _json_line(head, key) + skipped for key in values}
    read = _Read({storable(key): _texts(value) for key, value in values.items()}, lines)
    read.complaints = [
        (lines.get(key, skipped + 1), f"The key {key!r} is given twice.") for key in doubled
    ]
    return read, text[end:]


def _json_line(head: str, key: str) -> int:
    at = head.find(json.dumps(key, ensure_ascii=False))
    return head.count("\n", 0, max(at, 0)) + 1


def _texts(value: Any, depth: int = 0) -> Value:
    """A value of TOML or JSON as the texts that YAML would have given."""
    if isinstance(value, dict) and depth < MAX_DEPTH:
        return {storable(str(key)): _texts(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list) and depth < MAX_DEPTH:
        return [_texts(one, depth + 1) for one in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if value is None or isinstance(value, dict | list):
        return ""
    # Python writes out no number of over 4,300 digits, which TOML can give in hexadecimal.
    huge = isinstance(value, int) and value.bit_length() > MAX_BITS
    return "" if huge else storable(str(value))


def _first(error: Exception) -> str:
    return str(error).split(" (at ")[0].rstrip(".")
