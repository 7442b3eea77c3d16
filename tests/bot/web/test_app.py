"""Serving: any free port, a port in use, and no route that waits for the disk."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bot.web import create_app, start_pages
from bot.web.app import _address
from tests.bot.web.conftest import Pages


async def test_a_port_in_use_is_an_oserror_and_leaves_nothing_behind(pages: Pages) -> None:
    port = int(pages.url.rpartition(":")[2])
    with pytest.raises(OSError):
        await start_pages(create_app(pages.services), "127.0.0.1", port)
    assert "Machine learning" in await pages.page("/")


async def test_port_0_is_answered_with_the_real_one(pages: Pages) -> None:
    port = int(pages.url.rpartition(":")[2])
    assert port > 0
    with socket.create_connection(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("[::1]", "http://[::1]:80"),
    ],
)
def test_the_address_can_be_opened_in_a_browser(host: str, url: str) -> None:
    assert _address(host, [(host, 80)]) == url


async def test_no_request_reads_a_file(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = await pages.run("/kv layers:1")

    def read(self: Path, *arguments: object) -> bytes:
        raise AssertionError(f"{self} was read while a visitor waited")

    for method in ("open", "read_bytes", "read_text"):
        monkeypatch.setattr(Path, method, read)
    for path in ("/", "/tools/kv", f"/r/{answer['id']}", "/api/openapi.json"):
        async with pages.http.get(path) as reply:
            assert reply.status == 200, path


def test_every_address_is_in_the_documentation(pages: Pages) -> None:
    documented = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    for resource in create_app(pages.services).router.resources():
        path = resource.canonical.replace("/{place}", "/{n}")
        assert path in documented or path.startswith("/static/"), path
