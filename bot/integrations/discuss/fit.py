"""Blocks of Markdown that fit into one Discussion; what does not is cut between blocks."""

from __future__ import annotations

from collections.abc import Sequence

# GitHub takes 65,536 characters. It is not said how an emoji counts, and our marker comes last.
MOST = 65_000


def fitted(blocks: Sequence[str], tail: Sequence[str], note: str, most: int = MOST) -> str:
    """``blocks``, then ``tail``, which is never cut; ``note`` stands where something is missing."""
    whole = "\n\n".join([*blocks, *tail])
    if size(whole) <= most:
        return whole
    end = [note, *tail]
    room = most - sum(size(part) + 2 for part in end)
    kept: list[str] = []
    for block in blocks:
        if size(block) + 2 > room:
            kept += _rows(block, room - 2)
            break
        kept.append(block)
        room -= size(block) + 2
    return "\n\n".join([*kept, *end])


def size(text: str) -> int:
    """Characters as counted at worst: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _rows(block: str, room: int) -> list[str]:
    """As many rows of a table or a quotation as fit; of another block nothing."""
    if not block.startswith(("|", "> ")):
        return []
    kept: list[str] = []
    fence = False
    for line in block.split("\n"):
        room -= size(line) + 1
        if room < len("> ```"):
            break
        fence ^= line.startswith("> ```")
        kept.append(line)
    return ["\n".join([*kept, *(["> ```"] if fence else [])])] if len(kept) > 2 else []
