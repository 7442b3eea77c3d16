from __future__ import annotations

import pytest

from content.sources.address import blog_address, canonical, web_address


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("https://X.org/a/", "https://x.org/a"),
        ("http://x.org/a", "https://x.org/a"),
        ("https://x.org:443/a?utm=1#top", "https://x.org/a"),
        ("http://x.org:80", "https://x.org"),
        ("https://x.org:8443/a", "https://x.org:8443/a"),
        ("https://x.org/?p=12", "https://x.org?p=12"),
    ],
)
def test_one_article_has_one_address_however_it_is_written(address: str, same: str) -> None:
    assert canonical(address) == same


def test_two_pages_told_apart_by_their_query_alone_stay_two() -> None:
    assert canonical("https://x.org/?p=1") != canonical("https://x.org/?p=2")


@pytest.mark.parametrize(
    "text",
    ["javascript:alert(1)", "data:text/html,x", "https://a@evil.example/", "https://x.org:99999/",
     "https://x.org:abc/", "https://x.org:0/", "https://[::1", "https:///x", "//", "mailto:a@b.c",
     "https://x.org/\ud800", "https://x.org/" + "a" * 500, "vbscript://x.org/"],
)  # fmt: skip
def test_what_no_link_may_lead_to_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        web_address(text, "")


@pytest.mark.parametrize(
    "slug", ["..", "../x", "a/../../b", "%2e%2e/x", "a/%2E%2e/b", "a?b", "a#b"]
)
def test_a_slug_leads_nowhere_but_into_the_blog(slug: str) -> None:
    with pytest.raises(ValueError):
        blog_address(slug, "https://x.org")
