"""The index answers as the plain search does, for every text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.models import load_models
from content.name_index import NameIndex
from content.names import entry, suggest

ENTRIES = tuple(entry(m.id, m.id, (m.name,)) for m in load_models())
INDEX = NameIndex(ENTRIES)
PARTS = ("llama", "3", "70b", "Qwen", "8x7", "-", " ", "/", "meta", "instruct", "a", "x", "Ü", "\n")


@pytest.mark.parametrize(
    "text", ["", "l", "llama 3.1", "3.1 llama", "70b", "8b", "oss", "/", "\n", " ", "zzz", "b inst"]
)
def test_it_finds_what_the_plain_search_finds_in_its_order(text: str) -> None:
    for limit in (1, 3, 25, 1000):
        assert INDEX.suggest(text, limit) == suggest(text, ENTRIES, limit)


@given(st.lists(st.sampled_from(PARTS), max_size=5).map("".join) | st.text(max_size=8))
def test_no_text_is_answered_differently(text: str) -> None:
    assert INDEX.suggest(text) == suggest(text, ENTRIES)


def test_no_entries_give_no_suggestion() -> None:
    assert NameIndex(()).suggest("a") == [] == NameIndex(()).suggest("")
