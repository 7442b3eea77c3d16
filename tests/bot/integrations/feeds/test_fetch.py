from __future__ import annotations

import gzip

import pytest
from aiohttp import web

from bot.integrations.feeds import fetch
from bot.integrations.feeds.fetch import FetchFailed, Marks, fetch_feed
from tests.bot.integrations.feeds.web import Web, serving

NONE = Marks()


async def failure(url: str, *, total_s: float = 15.0) -> FetchFailed:
    with pytest.raises(FetchFailed) as error:
        await fetch_feed(url, NONE, total_s=total_s)
    return error.value


async def test_a_feed_is_asked_for_once_and_then_only_if_it_changed(site: Web) -> None:
    url = site.serve("/feed", b"<rss/>", ETag='"1"', Last_Modified="Thu, 12 Nov 2026 10:00:00 GMT")
    first = await fetch_feed(url, NONE)
    assert first.content == b"<rss/>" and first.marks.etag == '"1"'
    second = await fetch_feed(url, first.marks)
    assert second.content is None and second.marks == first.marks
    headers = site.seen[1].headers
    assert headers["If-Modified-Since"] == "Thu, 12 Nov 2026 10:00:00 GMT"
    site.serve("/feed", b"<rss>new</rss>", ETag='"2"')
    assert (await fetch_feed(url, first.marks)).content == b"<rss>new</rss>"


async def test_a_server_that_says_304_unasked_is_not_believed(site: Web) -> None:
    url = site.serve("/feed", b"", status=304)
    assert "answered 304" in str(await failure(url))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip bomb"])
async def test_more_than_the_limit_is_not_read(site: Web, packed: bool) -> None:
    body = b" " * (fetch.LIMIT + 1)
    url = site.serve("/feed", body)
    if packed:
        url = site.serve("/feed", gzip.compress(body), Content_Encoding="gzip")
    assert "more than 5 MiB" in str(await failure(url))
    url = site.serve("/feed", b" " * fetch.LIMIT)
    assert len((await fetch_feed(url, NONE)).content or b"") == fetch.LIMIT


async def test_a_server_that_never_ends_is_given_up(site: Web) -> None:
    error = await failure(site.hang("/feed"), total_s=0.2)
    assert str(error) == "127.0.0.1 did not answer in full within 0.2 s."
    assert fetch.TOTAL_S == 15.0


async def test_redirects_are_followed_as_far_as_five(site: Web) -> None:
    site.serve("/0", b"<rss/>")
    for hop in range(1, 7):
        site.serve(f"/{hop}", b"", status=301, Location=f"/{hop - 1}")
    got = await fetch_feed(site.url("/5"), NONE)
    assert got.content == b"<rss/>" and got.url == site.url("/0")
    assert "more than 5 times" in str(await failure(site.url("/6")))


@pytest.mark.parametrize(
    "target",
    ["http://localhost:{port}/secret", "http://127.0.0.2:{port}/secret", "http://[::1]:{port}/",
     "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}/secret", "http://127.1:{port}/secret",
     "http://127.0.0.1:{other}/secret"],
    ids=["name", "other", "v6", "idna", "short", "port"],
)  # fmt: skip
async def test_a_redirect_to_a_private_address_is_refused(site: Web, target: str) -> None:
    site.serve("/secret", b"<rss/>")
    address = target.format(port=site.port, other=9 if site.port != 9 else 10)
    url = site.serve("/feed", b"", status=302, Location=address)
    error = await failure(url)
    assert str(error) in (
        "127.0.0.1 leads to a private address, which is not followed.",
        "127.0.0.1 cannot be reached (InvalidUrlClientError).",  # 127.1 is none to aiohttp
    )
    assert [request.path for request in site.seen] == ["/feed"], "the secret was never asked for"


async def test_another_port_of_the_named_host_is_no_place_the_operator_named(site: Web) -> None:
    async with serving() as other:
        secret = other.serve("/secret", b"<rss/>")
        await failure(site.serve("/feed", b"", status=302, Location=secret))
        assert other.seen == []


async def test_a_name_that_leads_to_loopback_is_refused_unless_the_operator_named_it(
    site: Web,
) -> None:
    site.serve("/feed", b"<rss/>")
    assert (await fetch_feed(site.url("/feed", "localhost"), NONE)).content == b"<rss/>"
    url = site.serve("/to", b"", status=302, Location=site.url("/feed", "localhost"))
    error = await failure(url)
    assert str(error) == "127.0.0.1 leads to a private address, which is not followed."


async def test_a_named_host_at_a_clouds_service_is_not_asked() -> None:
    error = await failure("http://169.254.169.254/latest/meta-data/")
    assert str(error) == "169.254.169.254 leads to a private address, which is not followed."


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x.org/", "http:///x", ""])
async def test_a_redirect_to_no_web_address_is_refused(site: Web, target: str) -> None:
    url = site.serve("/feed", b"", status=302, Location=target)
    await failure(url)


@pytest.mark.parametrize("status", [401, 404, 410, 500, 503])
async def test_an_error_is_a_sentence(site: Web, status: int) -> None:
    error = await failure(site.serve("/feed", b"x", status=status))
    assert str(error) == f"127.0.0.1 answered {status}." and error.retry_s == 0


async def test_a_wait_that_is_asked_for_is_told(site: Web) -> None:
    assert (await failure(site.serve("/a", b"", status=429, Retry_After="120"))).retry_s == 120
    assert (await failure(site.serve("/b", b"", status=503, Retry_After="9" * 30))).retry_s == 86400
    assert (await failure(site.serve("/c", b"", status=503, Retry_After="soon"))).retry_s == 0


async def test_a_connection_that_is_cut_or_refused_is_a_sentence(site: Web) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    site.answers["/feed"] = cut
    assert "cannot be reached" in str(await failure(site.url("/feed")))
    assert "cannot be reached" in str(await failure("http://127.0.0.1:9/feed"))


async def test_an_etag_that_is_a_book_is_not_kept(site: Web) -> None:
    url = site.serve("/feed", b"<rss/>", ETag='"' + "x" * 2_000 + '"')
    assert (await fetch_feed(url, NONE)).marks == NONE
