"""The site's comment box finds the thread by what giscus computes for the page."""

from __future__ import annotations

import hashlib

import pytest

from bot.integrations.announcing.giscus import giscus_lines, giscus_term


@pytest.mark.parametrize(
    ("url", "term"),
    [
        ("https://mlsystems.dev/blog/moe-routing", "blog/moe-routing"),
        ("https://mlsystems.dev/blog/moe-routing/", "blog/moe-routing/"),
        ("https://mlsystems.dev/blog/moe-routing.html?x=1#y", "blog/moe-routing"),
        ("https://mlsystems.dev/blog/v1.5/", "blog/v1.5/"),
        ("https://mlsystems.dev/", "index"),
        ("https://mlsystems.dev", "index"),
        ("https://mlsystems.dev/blog/größe", "blog/gr%C3%B6%C3%9Fe"),
        ("https://mlsystems.dev/blog/gr%C3%B6sse", "blog/gr%C3%B6sse"),
    ],
)
def test_the_term_is_that_of_giscus(url: str, term: str) -> None:
    assert giscus_term(url) == term


def test_both_forms_of_an_address_are_found() -> None:
    lines = giscus_lines("https://mlsystems.dev/blog/x").splitlines()
    terms = ("blog/x", "blog/x/")
    assert lines == [f"<!-- sha1: {hashlib.sha1(t.encode()).hexdigest()} -->" for t in terms]
    assert giscus_lines("https://mlsystems.dev/blog/x/").splitlines() == lines[::-1]


def test_the_hash_is_the_one_in_the_manual_of_giscus() -> None:
    # giscus, ADVANCED-USAGE.md "data-strict": the term "Welcome to giscus!"
    known = "cad60a29d1b50cbeb42ec2ff630fc508afb1d2e3"
    assert hashlib.sha1(b"Welcome to giscus!").hexdigest() == known
