"""Other websites and rebound host names cannot use the pages; the community's site can."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.bot.web.conftest import Pages, Serve

SITE = "https://mlsystems.dev"
FORM = {"line": "/kv layers:1"}


async def status_of(pages: Pages, method: str, path: str, **arguments: Any) -> int:
    async with pages.http.request(method, path, **arguments) as reply:
        if reply.status == 403:
            assert "server does not answer" in await reply.text() or (
                "website" in await reply.text() or "community's site" in await reply.text()
            )
        return reply.status


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example",
     "localhost@evil.example", "192.168.1.5", "[::2]", "[", "a b", "0.0.0.0"],
)  # fmt: skip
async def test_a_foreign_host_name_is_refused_everywhere(pages: Pages, host: str) -> None:
    for path in ("/", "/api/tools", "/healthz", "/nowhere"):
        assert await status_of(pages, "GET", path, headers={"Host": host}) == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:8080"])
async def test_loopback_names_are_known_under_any_port(pages: Pages, host: str) -> None:
    assert await status_of(pages, "GET", "/", headers={"Host": host}) == 200


async def test_the_public_address_is_known_and_nothing_near_it(serve: Serve) -> None:
    pages = await serve(public_url="https://bot.example.org/k2c")
    assert await status_of(pages, "GET", "/", headers={"Host": "bot.example.org"}) == 200
    assert await status_of(pages, "GET", "/", headers={"Host": "xbot.example.org"}) == 403


async def test_bound_everywhere_any_address_is_ours_but_no_name(serve: Serve) -> None:
    pages = await serve(http_host="0.0.0.0")
    assert await status_of(pages, "GET", "/", headers={"Host": "192.168.1.5:8080"}) == 200
    assert await status_of(pages, "GET", "/", headers={"Host": "evil.example"}) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": SITE},  # the site may use the API, not our forms
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_website_is_refused(pages: Pages, headers: dict[str, str]) -> None:
    assert await status_of(pages, "POST", "/", data=FORM, headers=headers) == 403


async def test_our_own_forms_are_taken_also_from_pages_without_referrer(pages: Pages) -> None:
    for headers in (
        {},
        {"Origin": pages.url},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ):
        assert await status_of(pages, "POST", "/", data=FORM, headers=headers) == 200


async def test_behind_a_proxy_the_public_origin_is_ours(serve: Serve) -> None:
    pages = await serve(public_url="https://bot.example.org")
    headers = {"Origin": "https://bot.example.org"}
    assert await status_of(pages, "POST", "/", data=FORM, headers=headers) == 200


async def test_the_site_may_call_the_api_and_read_the_answer(pages: Pages) -> None:
    async with pages.http.options("/api/tools/kv", headers={"Origin": SITE}) as reply:
        assert reply.status == 204
        assert reply.headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
        assert reply.headers["Access-Control-Allow-Headers"] == "Content-Type"
    for body, status in (({"layers": 1}, 200), ({"layers": 0}, 422)):
        async with pages.http.post("/api/tools/kv", json=body, headers={"Origin": SITE}) as answer:
            assert answer.status == status
            assert answer.headers["Access-Control-Allow-Origin"] == SITE
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://mlsystems.dev", "null", ""])
async def test_no_other_origin_may(pages: Pages, origin: str) -> None:
    headers = {"Origin": origin}
    async with pages.http.options("/api/tools/kv", headers=headers) as reply:
        assert reply.status == 403
        assert "Access-Control-Allow-Origin" not in reply.headers
    async with pages.http.get("/api/tools", headers=headers) as reply:
        assert "Access-Control-Allow-Origin" not in reply.headers


async def test_without_a_site_nobody_is_shared_with(serve: Serve) -> None:
    pages = await serve(site_url="")
    for origin in ("", "://", SITE):
        assert await status_of(pages, "OPTIONS", "/api/tools", headers={"Origin": origin}) == 403


async def test_the_site_cannot_delete(pages: Pages) -> None:
    headers = {"Origin": SITE, "X-Delete-Key": "k" * 32}
    path = f"/api/results/{'x' * 22}"
    assert await status_of(pages, "DELETE", path, headers=headers) == 403


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/api/tools", "/api/nowhere", "/tools/kv", "/healthz"]
)
async def test_every_response_carries_the_policy_errors_included(pages: Pages, path: str) -> None:
    async with pages.http.get(path) as reply:
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in reply.headers["Server"]


async def test_pages_load_nothing_from_elsewhere_and_hold_no_inline_script(pages: Pages) -> None:
    answer = await pages.run("/kv layers:1")
    for path in ("/", "/tools/kv", f"/r/{answer['id']}"):
        text = await pages.page(path)
        assert "<script>" not in text and "onclick" not in text and " style=" not in text
        assert 'src="http' not in text and 'rel="stylesheet" href="http' not in text


async def test_an_error_is_a_page_for_people_and_json_for_programs(pages: Pages) -> None:
    async with pages.http.get("/nowhere") as reply:
        assert (reply.status, reply.content_type) == (404, "text/html")
        assert "nothing at this address" in await reply.text()
    async with pages.http.get("/api/nowhere") as reply:
        assert (reply.status, reply.content_type) == (404, "application/json")
        assert json.loads(await reply.text())["error"]["message"].endswith(".")


async def test_a_static_file_is_kept_for_ever_under_its_version_alone(pages: Pages) -> None:
    text = await pages.page("/")
    path = text.split('rel="stylesheet" href="')[1].split('"')[0]
    async with pages.http.get(path) as reply:
        assert "immutable" in reply.headers["Cache-Control"]
        assert reply.content_type == "text/css"
        assert ":root" in await reply.text()
    for wrong in ("/static/0/style.css", path + "x", "/static/0/..%2f..%2fapp.py"):
        assert await status_of(pages, "GET", wrong) == 404


async def test_plain_http_without_a_host_is_refused(pages: Pages) -> None:
    host, port = pages.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    head = await reader.read(200)
    writer.close()
    await writer.wait_closed()
    assert b" 403 " in head.splitlines()[0]
