"""Finding a name as people type it: one spelling for comparing, nearest names, completion."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MAX_TYPED = 120
ALIKE = 0.62  # of SequenceMatcher's ratio; below it "Closest" names strangers
MAX_LABEL = 100


def squeeze(text: str) -> str:
    """Letters and digits only, lower case: ``RTX-4090`` and ``rtx 4090`` become ``rtx4090``."""
    plain = unicodedata.normalize("NFKC", text[:MAX_TYPED]).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def words(text: str) -> tuple[str, ...]:
    """The squeezed words of a name, split at anything that is neither letter nor digit."""
    plain = unicodedata.normalize("NFKC", text[:MAX_TYPED]).casefold()
    spaced = "".join(letter if letter.isalnum() else " " for letter in plain)
    return tuple(spaced.split())


@dataclass(frozen=True)
class Entry:
    """One choice: what is shown, what is sent, and every spelling it answers to (squeezed)."""

    label: str
    value: str
    spellings: tuple[str, ...]
    words: tuple[str, ...]


def entry(label: str, value: str, others: Iterable[str] = ()) -> Entry:
    """An entry that answers to its label, its value and ``others``."""
    spellings = tuple(dict.fromkeys(squeeze(text) for text in (label, value, *others)))
    return Entry(label[:MAX_LABEL], value, spellings, words(f"{label} {value}"))


def nearest(text: str, entries: Sequence[Entry], limit: int = 3) -> list[Entry]:
    """The entries closest to ``text``, best first, none where nothing is alike."""
    typed = squeeze(text)
    if not typed:
        return list(entries[:limit])
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(typed)
    scored = [(_closeness(matcher, item), -place) for place, item in enumerate(entries)]
    best = sorted(scored, reverse=True)[:limit]
    return [entries[-place] for score, place in best if score >= ALIKE]


def _closeness(matcher: SequenceMatcher[str], item: Entry) -> float:
    best = 0.0
    for spelling in (*item.spellings, *item.words):
        matcher.set_seq1(spelling)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            best = max(best, matcher.ratio())
    return best


def suggest(text: str, entries: Sequence[Entry], limit: int = 25) -> list[tuple[str, str]]:
    """(label, value) pairs for completion: prefixes first, then words, then anywhere inside."""
    typed = squeeze(text)
    parts = words(text)
    ranked: list[tuple[int, int]] = []
    for place, item in enumerate(entries):
        rank = _rank(typed, parts, item)
        if rank is not None:
            ranked.append((rank, place))
    ranked.sort()
    return [(entries[place].label, entries[place].value) for _, place in ranked[:limit]]


def _rank(typed: str, parts: tuple[str, ...], item: Entry) -> int | None:
    if not typed:
        return 0
    if typed in item.spellings:
        return 0
    if any(spelling.startswith(typed) for spelling in item.spellings):
        return 1
    if all(any(word.startswith(part) for word in item.words) for part in parts):
        return 2
    if any(typed in spelling for spelling in item.spellings):
        return 3
    return None
