"""A YAML mapping as texts, read from the parser's events.

Events, because composing nodes recurses (and takes 4 s for 60,000 brackets), loses doubled keys,
and turns ``no`` into False before anybody can ask how it was written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_NODES = 5_000
STANDARD = "tag:yaml.org,2002:"
NOTHING = ("", "~", "null", "Null", "NULL")

Value = str | list["Value"] | dict[str, "Value"]


class Broken(Exception):
    """Why a file cannot be read; ``line`` is 1-based."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


@dataclass
class _Open:
    """A list or mapping that is not closed yet; ``key`` waits for its value."""

    value: list[Value] | dict[str, Value]
    anchor: str | None = None
    key: str | None = None


@dataclass
class _Reader:
    """Builds the texts from events; lines are 1-based."""

    max_depth: int
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, Value] = field(default_factory=dict)
    top: Value | None = None
    lines: dict[str, int] = field(default_factory=dict)
    doubled: list[tuple[str, int]] = field(default_factory=list)
    nodes: int = 0

    def take(self, event: Any) -> None:
        """One event of the parser. Raises ``Broken``."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event, line)
            plain = event.implicit[0]
            text = "" if plain and event.value in NOTHING else event.value
            self._put(text, line, event.anchor)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._refuse_tag(event, line)
            if len(self.stack) >= self.max_depth:
                raise Broken(line, "The front matter is nested too deeply.")
            opened: list[Value] | dict[str, Value] = (
                {} if isinstance(event, yaml.MappingStartEvent) else []
            )
            self.stack.append(_Open(opened, event.anchor))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            closed = self.stack.pop()
            self._put(closed.value, line, closed.anchor)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise Broken(line, f"There is nothing that *{event.anchor} stands for.")
            self._put(self.anchors[event.anchor], line, None)

    def _refuse_tag(self, event: Any, line: int) -> None:
        if event.tag and not (event.tag == "!" or _plain_tag(event.tag)):
            raise Broken(line, f"The tag {event.tag[:60]!r} is not taken; write plain values.")

    def _put(self, value: Value, line: int, anchor: str | None) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise Broken(line, f"The front matter has more than {MAX_NODES:,} values.")
        if anchor:
            self.anchors[anchor] = value
        if not self.stack:
            self.top = value
            return
        at = self.stack[-1]
        if isinstance(at.value, list):
            at.value.append(value)
        elif at.key is None:
            self._key(at, value, line)
        else:
            at.value[at.key] = value
            at.key = None

    def _key(self, at: _Open, value: Value, line: int) -> None:
        if not isinstance(value, str):
            raise Broken(line, "A key must be a word, not a list or a mapping.")
        assert isinstance(at.value, dict)
        if value in at.value:
            self.doubled.append((value, line))
        if len(self.stack) == 1:
            self.lines[value] = line
        at.key = value


def read_yaml(
    text: str, max_depth: int
) -> tuple[dict[str, Value], dict[str, int], list[tuple[str, int]]]:
    """The mapping, the line of each of its keys, and the keys given twice with their lines.

    Of a doubled key the last value counts, as YAML libraries do. Raises ``Broken``.
    """
    reader = _Reader(max_depth)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's: 10 times as fast
    try:
        for event in yaml.parse(text, Loader=loader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        raise Broken(_line(error, text), f"The YAML cannot be read: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise Broken(1, f"The YAML cannot be read: {str(error).splitlines()[0]}.") from None
    if reader.top is None or reader.top == "":
        return {}, {}, []
    if not isinstance(reader.top, dict):
        raise Broken(1, "The front matter must be lines such as `title: ...`.")
    return reader.top, reader.lines, reader.doubled


def _line(error: yaml.MarkedYAMLError, text: str) -> int:
    """Where it went wrong; of what is never closed, where it was opened."""
    at, opened = error.problem_mark, error.context_mark
    beyond = at is not None and at.line > text.rstrip("\n").count("\n")
    mark = opened if opened is not None and (at is None or beyond) else at
    return mark.line + 1 if mark is not None else 1


def _plain_tag(tag: str) -> bool:
    kinds = ("str", "int", "float", "bool", "null", "timestamp", "seq", "map")
    return tag.startswith(STANDARD) and tag.removeprefix(STANDARD) in kinds
