"""The page of a kept answer: unlisted, whole, deletable by whoever asked and by nobody else."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import JsonValue

from bot.render.chart import ChartBusy, ChartFailed
from bot.runner import Asker
from tests.bot.web.conftest import COMMANDS, PNG, Pages, Serve

KEY = "k" * 32


async def ask(pages: Pages, line: str = "/kv layers:32 input:2048", key: str = KEY) -> str:
    answer = await pages.run(line, **{"X-Delete-Key": key})
    result_id: str = answer["id"]
    return result_id


async def delete(pages: Pages, result_id: str, key: str = KEY) -> int:
    headers = {"X-Delete-Key": key}
    async with pages.http.delete(f"/api/results/{result_id}", headers=headers) as reply:
        return reply.status


async def test_the_page_is_whole_and_kept_out_of_indexes(pages: Pages) -> None:
    result_id = await ask(pages)
    async with pages.http.get(f"/r/{result_id}") as reply:
        text = await reply.text()
        assert reply.headers["X-Robots-Tag"] == "noindex"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
    for part in (
        "<strong>0.250 GiB</strong>",
        f'<img src="/r/{result_id}/chart.png" alt="KV cache. 0.250 GiB"',
        '<details class="more"><summary class="button">Assumptions</summary>',
        '<code id="command">/kv layers:32 input:2048</code>',
        f'href="/r/{result_id}.json"',
        '<meta property="og:title" content="0.250 GiB for one sequence">',
        f'<meta property="og:url" content="{pages.url}/r/{result_id}">',
        f'<meta property="og:image" content="{pages.url}/r/{result_id}/chart.png">',
    ):
        assert part in text, part


async def test_the_page_leads_back_to_the_form_with_its_inputs(pages: Pages) -> None:
    text = await pages.page(f"/r/{await ask(pages, '/kv layers:32 model:a&b=<c>')}")
    found = re.search(r'<p class="crumb"><a href="([^"]*)">KV cache</a>', text)
    assert found is not None
    form = await pages.page(found[1].replace("&amp;", "&"))
    assert 'name="layers" value="32"' in form
    assert 'name="model" value="a&amp;b=&lt;c&gt;"' in form


async def test_the_json_has_the_numbers_and_nobody(pages: Pages) -> None:
    asker = Asker("discord", user_id="111", guild_id="222", channel_id="333", private=True)
    outcome = await pages.services.runner.run(COMMANDS["kv"].tool, {"layers": 32}, asker)
    assert outcome.saved is not None
    await outcome.saved
    text = await pages.page(f"/r/{outcome.id}.json")
    data = json.loads(text)
    assert data["result"]["kv_gib"] == 0.125 and data["line"] == "/kv layers:32"
    assert not {"111", "222", "333"} & set(re.findall(r"\d+", text))
    assert not {"user_id", "guild_id", "channel_id", "delete_key", "private"} & set(data)


async def test_the_picture_is_kept_by_the_browser(pages: Pages) -> None:
    path = f"/r/{await ask(pages)}/chart.png"
    async with pages.http.get(path) as reply:
        assert (reply.content_type, await reply.read()) == ("image/png", PNG)
        assert reply.headers["Cache-Control"].startswith("private")
        etag = reply.headers["ETag"]
    async with pages.http.get(path, headers={"If-None-Match": etag}) as reply:
        assert reply.status == 304
    assert len(pages.charts.drawn) == 1
    async with pages.http.get(path, headers={"If-None-Match": '"another"'}) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("place", ["0", "2", "-1", "x", "9" * 5000, "٢"])
async def test_a_chart_that_is_not_there_is_a_404(pages: Pages, place: str) -> None:
    async with pages.http.get(f"/r/{await ask(pages)}/chart.png", params={"n": place}) as reply:
        assert reply.status == 404


async def test_a_busy_renderer_asks_to_come_back_and_a_broken_one_leaves_the_answer(
    pages: Pages,
) -> None:
    path = f"/r/{await ask(pages)}/chart.png"
    pages.charts.trouble = ChartBusy("3 charts are waiting")
    async with pages.http.get(path) as reply:
        assert reply.status == 503 and int(reply.headers["Retry-After"]) >= 1
    pages.charts.trouble = ChartFailed("detail of the process")
    async with pages.http.get(path) as reply:
        assert reply.status == 500
        assert "detail of the process" not in await reply.text()


async def test_a_file_is_a_download_and_never_an_active_page(pages: Pages) -> None:
    result_id = await ask(pages, "/echo words:hello")
    async with pages.http.get(f"/r/{result_id}/files/1") as reply:
        assert reply.content_type == "application/octet-stream"
        assert reply.headers["Content-Disposition"] == "attachment"
        assert reply.headers["Content-Security-Policy"].startswith("sandbox;")
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
    async with pages.http.get(f"/r/{result_id}/files/2") as reply:
        assert reply.status == 404


async def test_only_the_key_of_the_asker_deletes(pages: Pages) -> None:
    result_id = await ask(pages)
    assert await delete(pages, result_id, "x" * 32) == 404
    assert await delete(pages, result_id, "") == 400
    assert await delete(pages, result_id, "short") == 400
    assert await delete(pages, "y" * 22) == 404
    await pages.page(f"/r/{result_id}")
    assert await delete(pages, result_id) == 204
    for path in (f"/r/{result_id}", f"/r/{result_id}.json", f"/r/{result_id}/chart.png"):
        async with pages.http.get(path) as reply:
            assert reply.status == 404
            assert "expired, was deleted or never was" in await reply.text()


async def test_an_answer_asked_for_without_a_key_cannot_be_deleted_by_one(pages: Pages) -> None:
    answer = await pages.run("/kv layers:1")
    assert await delete(pages, answer["id"]) == 404


async def test_the_key_is_in_no_page_and_no_data(pages: Pages) -> None:
    result_id = await ask(pages)
    assert KEY not in await pages.page(f"/r/{result_id}")
    assert KEY not in await pages.page(f"/r/{result_id}.json")


async def test_an_api_answer_can_be_deleted_with_the_key_it_was_asked_with(pages: Pages) -> None:
    headers = {"X-Delete-Key": KEY}
    async with pages.http.post("/api/tools/kv", json={"layers": 1}, headers=headers) as reply:
        result_id = (await reply.json())["id"]
    assert await delete(pages, result_id) == 204


@pytest.mark.parametrize(
    "path", ["/r/" + "a" * 22, "/r/short", "/r/" + "a" * 500, "/r/..%2f..", "/r/"]
)
async def test_an_address_that_never_was_is_a_404_page(pages: Pages, path: str) -> None:
    async with pages.http.get(path) as reply:
        assert reply.status == 404
        assert reply.content_type == "text/html"


async def test_a_refusal_has_a_page_too(pages: Pages) -> None:
    text = await pages.page(f"/r/{await ask(pages, '/kv layers:1 model:unknown')}")
    assert "know that model" in text and "Use llama" in text
    assert "og:image" not in text


async def test_an_answer_whose_inputs_no_line_carries_says_so(pages: Pages) -> None:
    async with pages.http.post("/api/tools/kv", json={"layers": [1]}) as reply:
        assert reply.status == 422
    inputs: dict[str, JsonValue] = {"layers": 1, "config": {"a": 1}}
    runner = pages.services.runner
    outcome = await runner.run(COMMANDS["kv"].tool, inputs, Asker("web"))
    assert outcome.saved is not None
    await outcome.saved
    assert "cannot carry config" in await pages.page(f"/r/{outcome.id}")


async def test_links_begin_with_the_public_address_where_there_is_one(serve: Serve) -> None:
    pages = await serve()
    async with pages.http.post(
        "/api/tools/kv", json={"layers": 1}, headers={"Host": "localhost:1234"}
    ) as reply:
        assert (await reply.json())["url"].startswith("http://localhost:1234/r/")


async def test_when_the_disk_is_full_the_answer_is_given_without_a_page(
    pages: Pages, caplog: pytest.LogCaptureFixture
) -> None:
    await pages.store.write(
        lambda db: db.conn.execute("CREATE TRIGGER full BEFORE INSERT ON results BEGIN "
                                   "SELECT RAISE(FAIL, 'database or disk is full'); END")
    )  # fmt: skip
    answer = await pages.run("/kv layers:32 input:2048")
    assert "<strong>0.250 GiB</strong>" in answer["html"]
    assert "could not be kept" in answer["html"] and "<img" not in answer["html"]
    async with pages.http.post("/api/tools/kv", json={"layers": 1}) as reply:
        assert reply.status == 200 and (await reply.json())["url"] is None
    assert "could not be kept" in caplog.text
