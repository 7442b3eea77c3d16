"""Finding a name as people type it: one spelling for comparing, nearest names, completion."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

MAX_TYPED = 120
ALIKE = 0.62  # of SequenceMatcher's ratio; below it "Closest" names strangers
COMPARED = 24  # letter by letter, the rest by their pairs: 276 models took 15 to 37 ms, now 3
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
    pairs: frozenset[str]


def entry(label: str, value: str, others: Iterable[str] = ()) -> Entry:
    """An entry that answers to its label, its value and ``others``."""
    spellings = tuple(dict.fromkeys(squeeze(text) for text in (label, value, *others)))
    pairs = frozenset().union(*map(_pairs, spellings))
    return Entry(label[:MAX_LABEL], value, spellings, words(f"{label} {value}"), pairs)


def nearest(text: str, entries: Sequence[Entry], limit: int = 3) -> list[Entry]:
    """What completion would offer for ``text``, then what is spelled alike, if anything is."""
    completed = _completed(text, entries)[:limit]
    left = limit - len(completed)
    if not left or not squeeze(text):
        return [entries[place] for place in completed]
    alike = [place for place in _alike(text, entries) if place not in completed]
    return [entries[place] for place in (*completed, *alike[:left])]


def _alike(text: str, entries: Sequence[Entry]) -> list[int]:
    """Places of the entries spelled most alike, best first; ties keep the catalogue's order."""
    typed, parts = squeeze(text), set(words(text))
    pairs = _pairs(typed)
    shared = [(-len(pairs & item.pairs), place) for place, item in enumerate(entries)]
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(typed)
    found: list[tuple[float, int]] = []
    for _, place in sorted(shared)[:COMPARED]:
        score = _closeness(matcher, entries[place])
        if score >= ALIKE:
            found.append((-score - len(parts.intersection(entries[place].words)), place))
    return [place for _, place in sorted(found)]


def _pairs(squeezed: str) -> frozenset[str]:
    return frozenset(a + b for a, b in pairwise(squeezed))


def _closeness(matcher: SequenceMatcher[str], item: Entry) -> float:
    best = 0.0
    for spelling in (*item.spellings, *item.words):
        matcher.set_seq1(spelling)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            best = max(best, matcher.ratio())
    return best


def suggest(text: str, entries: Sequence[Entry], limit: int = 25) -> list[tuple[str, str]]:
    """(label, value) pairs for completion: prefixes first, then words, then anywhere inside."""
    found = _completed(text, entries)[:limit]
    return [(entries[place].label, entries[place].value) for place in found]


def _completed(text: str, entries: Sequence[Entry]) -> list[int]:
    """Places of the entries that ``text`` begins or is part of, best first."""
    typed = squeeze(text)
    parts = words(text)
    ranked: list[tuple[int, int]] = []
    for place, item in enumerate(entries):
        rank = _rank(typed, parts, item)
        if rank is not None:
            ranked.append((rank, place))
    return [place for _, place in sorted(ranked)]


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
