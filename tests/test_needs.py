"""What a machine lacks makes a test skip at home, and fail where skipping is forbidden."""

from __future__ import annotations

import pytest

from tests.needs import REQUIRE_ALL, require_or_skip


@pytest.mark.parametrize("setting", ["", "0"])
def test_at_home_it_skips_with_the_sentence(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv(REQUIRE_ALL, setting)
    with pytest.raises(pytest.skip.Exception, match="Chromium is missing"):
        require_or_skip("Chromium is missing")


def test_where_everything_is_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRE_ALL, "1")
    with pytest.raises(pytest.fail.Exception, match="Chromium is missing"):
        require_or_skip("Chromium is missing")
