"""View -> plain text, for programs that want the answer's words beside its numbers."""

from __future__ import annotations

from bot.view import Anchor, Block, Facts, Heading, Note, Table, Text, View, Words


def view_text(view: View) -> str:
    """The answer's words, one block a line; charts, files and buttons have none."""
    return "\n".join(line for block in view.blocks for line in _lines(block))


def _lines(block: Block) -> list[str]:
    match block:
        case Heading(words) | Text(words) | Note(words):
            return [_words(words)]
        case Facts(rows):
            return [f"{name}: {value}" for name, value in rows]
        case Table(columns, rows, title):
            body = [" | ".join(row) for row in (columns, *rows)]
            return [title, *body] if title else body
        case _:
            return []


def _words(words: Words) -> str:
    return "".join(
        f"{span.text} ({span.url})"
        if isinstance(span, Anchor)
        else (span if isinstance(span, str) else span.text)
        for span in words
    )
