from __future__ import annotations

import pytest

from content.sources.address import canonical


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
