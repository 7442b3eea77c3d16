"""Forms with sliders: the same answer at every change, kept nowhere, counted for itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bot.command import Option, Slider
from bot.view import Chart
from bot.web.forms import Field
from bot.web.pictures import PREVIEWS, Previews
from tests.bot.web.conftest import PNG, Pages, Serve


async def preview(pages: Pages, **fields: str) -> dict[str, Any]:
    async with pages.http.post("/tools/kv/preview", json=fields) as reply:
        assert reply.status == 200, await reply.text()
        answer: dict[str, Any] = await reply.json()
        return answer


async def kept(pages: Pages) -> int:
    rows = await pages.store.read(lambda db: list(db.query("SELECT count(*) AS n FROM results")))
    count: int = rows[0]["n"]
    return count


async def test_a_field_with_a_range_has_a_slider_where_its_value_is(pages: Pages) -> None:
    text = await pages.page("/tools/kv?input=131072")
    (slider,) = re.findall(r'<input class="slider"[^>]*>', text)
    assert 'data-for="o-input"' in slider and "data-log" in slider and 'value="240"' in slider
    assert 'data-preview="/tools/kv/preview"' in text
    assert "slider" not in await pages.page("/tools/echo")


async def test_a_page_with_sliders_begins_with_an_example_unless_it_was_given_values(
    pages: Pages,
) -> None:
    assert 'name="layers" value="32"' in await pages.page("/tools/kv")
    assert 'name="layers" value=""' in await pages.page("/tools/kv?input=7")


async def test_a_preview_is_the_whole_answer_and_is_kept_nowhere(pages: Pages) -> None:
    answer = await preview(pages, layers="32", input="2048")
    assert answer["headline"] == "0.250 GiB for one sequence" and not answer["refused"]
    assert "<strong>0.250 GiB</strong>" in answer["html"] and "8 KV heads" in answer["html"]
    assert answer["line"] == "/kv layers:32 input:2048"
    assert "/r/" not in answer["html"] and ">Share<" not in answer["html"]
    assert await kept(pages) == 0


async def test_a_repair_of_a_preview_is_what_to_type_into_the_form(pages: Pages) -> None:
    answer = await preview(pages, layers="32")
    (changes,) = re.findall(r'data-changes="([^"]*)"', answer["html"])
    assert json.loads(changes.replace("&#34;", '"')) == {"kv_dtype": "fp8"}


async def test_the_picture_of_a_preview_is_served_dark_and_light(pages: Pages) -> None:
    answer = await preview(pages, layers="32")
    (path,) = re.findall(r'<img src="(/preview/[0-9a-f]{32}\.png)"', answer["html"])
    assert f'srcset="{path}?theme=light"' in answer["html"]
    for query, theme in (("", "dark"), ("?theme=light", "light")):
        async with pages.http.get(path + query) as reply:
            assert (reply.status, await reply.read()) == (200, PNG)
            assert reply.headers["X-Robots-Tag"] == "noindex"
        assert pages.charts.themes[-1] == theme
    async with pages.http.get("/preview/" + "0" * 32 + ".png") as reply:
        assert reply.status == 404


async def test_the_same_numbers_are_the_same_picture(pages: Pages) -> None:
    one, two = [await preview(pages, layers="32") for _ in range(2)]
    assert re.findall("/preview/[0-9a-f]+", one["html"]) == re.findall(
        "/preview/[0-9a-f]+", two["html"]
    )


async def test_a_refused_preview_is_a_sentence(pages: Pages) -> None:
    answer = await preview(pages, layers="many")
    assert answer["refused"] and "layers must be a whole number" in answer["html"]
    assert (await preview(pages))["refused"]


async def test_what_would_wait_for_the_network_is_not_previewed(pages: Pages) -> None:
    answer = await preview(pages, layers="1", model="hub/some-model")
    assert answer["refused"] and "press Run" in answer["headline"]


async def test_a_tool_that_fails_in_a_preview_tells_nothing_of_it(
    pages: Pages, caplog: pytest.LogCaptureFixture
) -> None:
    async with pages.http.post("/tools/echo/preview", json={"words": "crash"}) as reply:
        answer = await reply.json()
    assert answer["refused"] and "/etc/passwd" not in answer["html"]
    assert "secret" in caplog.text


async def test_previews_are_counted_for_themselves(serve: Serve) -> None:
    pages = await serve(user_per_minute=1)
    for _ in range(5):
        await preview(pages, layers="1")
    await pages.run("/kv layers:1")
    async with pages.http.post("/", data={"line": "/kv layers:1"}) as reply:
        assert reply.status == 429
    async with pages.http.post("/tools/kv", json={"layers": "1"}) as reply:
        assert reply.status == 429


async def test_too_many_previews_are_told_to_wait(pages: Pages) -> None:
    statuses = set()
    for _ in range(125):
        async with pages.http.post("/tools/kv/preview", json={"layers": "1"}) as reply:
            statuses.add(reply.status)
            last = reply
    assert statuses == {200, 429} and int(last.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
    ],
)
async def test_other_websites_cannot_ask_for_previews(
    pages: Pages, headers: dict[str, str], status: int
) -> None:
    fields = {"layers": "1"}
    async with pages.http.post("/tools/kv/preview", json=fields, headers=headers) as reply:
        assert reply.status == status


async def test_only_words_of_the_forms_own_fields_are_taken(pages: Pages) -> None:
    fields = {"layers": "32", "evil": "1", "input": 5, "model": {"a": 1}}
    async with pages.http.post("/tools/kv/preview", json=fields) as reply:
        assert (await reply.json())["line"] == "/kv layers:32"
    async with pages.http.get("/tools/nothing/preview") as reply:
        assert reply.status in (404, 405)


async def test_a_form_may_be_sent_as_json_and_is_kept(pages: Pages) -> None:
    headers = {"Accept": "application/json"}
    fields = {"layers": "32", "input": "", "kv_dtype": "fp8"}
    async with pages.http.post("/tools/kv", json=fields, headers=headers) as reply:
        answer = await reply.json()
    assert answer["line"] == "/kv layers:32 kv_dtype:fp8"
    await pages.page(f"/r/{answer['id']}")


@pytest.mark.parametrize(
    ("value", "at"),
    [("", 100), ("1,000", 120), ("0.5", 0), ("nonsense", 100), ("9e9", 240), ("-3", 0)],
)
def test_a_logarithmic_slider_stands_where_the_value_is(value: str, at: int) -> None:
    slider = Slider(10, 100_000, log=True, start=10 ** (1 + 4 * 100 / 240))
    option = Option("n", "n", "", "number", False, slider=slider)
    assert Field(option, value, "", "").slid["at"] == at


def test_a_linear_slider_takes_shares_in_percent() -> None:
    option = Option("n", "n", "", "number", False, slider=Slider(0, 1, step=0.01, start=0))
    assert Field(option, "40%", "", "").slid == {"min": 0, "max": 1, "step": 0.01, "at": 0.4}
    assert Field(option, "", "", "").slid["at"] == 0


def test_old_previews_are_forgotten() -> None:
    previews = Previews()
    first = previews.add(Chart("0", "", "", (), alt=""))
    for number in range(PREVIEWS):
        previews.add(Chart(f"n{number}", "", "", (), alt=""))
    assert previews.get(first.removeprefix("/preview/").removesuffix(".png")) is None
