"""Where a chart is seen: stored once under its hash, on our own pages, or in characters."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from bot.outbox import Never
from bot.render.chart import ChartBusy, ChartFailed
from tests.bot.integrations.discuss.github import until
from tests.bot.integrations.discuss.service import ALICE, BOB, WISH, Place

STORE = {"github_pictures": "mlsystems/pictures@main"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


async def test_a_stored_picture_is_there_before_the_discussion_that_shows_it(place: Place) -> None:
    place.settings = STORE
    async with place.open() as made:
        row = await made.result()
        await made.end_of(await made.discussing.post_result(row, WISH, ALICE))
        (file,) = place.github.files.values()
        png = base64.b64decode(file.content)
        digest = hashlib.sha256(png).hexdigest()
        assert png == b"pace of h100" and file.path == f"results/{digest}.png"
        assert place.github.order == [f"gh:file:{digest}", f"gh:result:{row.id}:new"]
        address = f"https://raw.githubusercontent.com/mlsystems/pictures/main/{file.path}"
        body = place.github.posts[f"gh:result:{row.id}:new"].body
        assert f"![pace of h100. pace 10](<{address}>)" in body and "█" not in body


async def test_the_same_picture_is_stored_once(place: Place) -> None:
    place.settings = STORE
    async with place.open() as made:
        for by in (ALICE, BOB):
            row = await made.result()
            await made.end_of(await made.discussing.post_result(row, WISH, by))
        assert len(place.github.files) == 1 and len(place.github.posts) == 2


async def test_a_picture_that_is_refused_does_not_keep_the_discussion(place: Place) -> None:
    place.settings = STORE
    async with place.open() as made:
        real = place.github.send

        async def send(effect: object) -> object:
            if getattr(effect, "kind", "") == "github.file":
                raise Never("no such branch")
            return await real(effect)  # type: ignore[arg-type]

        place.github.send = send  # type: ignore[method-assign, assignment]
        row = await made.result()
        done = await made.end_of(await made.discussing.post_result(row, WISH, ALICE))
        assert done.state == "posted"
        assert "pace 10" in place.github.posts[done.key].body


@pytest.mark.parametrize("error", [ChartBusy("many wait"), ChartFailed("broken")])
async def test_a_chart_that_is_not_drawn_is_told_in_characters(
    place: Place, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.integrations.discuss.pictures.TRIES_S", (0.0, 0.0))
    place.settings, place.charts.error = STORE, error
    async with place.open() as made:
        row = await made.result()
        done = await made.end_of(await made.discussing.post_result(row, WISH, ALICE))
        body = place.github.posts[done.key].body
        assert "██████" in body and "pace 10" in body and place.github.files == {}


async def test_our_own_pages_show_it_where_the_world_reaches_them(place: Place) -> None:
    place.settings = {"public_url": "https://k2c.example"}
    async with place.open() as made:
        row = await made.result()
        await made.end_of(await made.discussing.post_result(row, WISH, ALICE))
        (post,) = place.github.posts.values()
        assert f"](<https://k2c.example/r/{row.id}/chart.png?n=1&sha=" in post.body
        assert f"[its page](<https://k2c.example/r/{row.id}>)" in post.body


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8080", "http://k2c.example"])
async def test_an_address_that_github_cannot_reach_shows_no_picture(place: Place, url: str) -> None:
    place.settings = {"public_url": url}
    async with place.open() as made:
        row = await made.result()
        await made.discussing.post_result(row, WISH, ALICE)
        await until(lambda: place.github.posts)
        (post,) = place.github.posts.values()
        assert "![" not in post.body and "██████" in post.body
        assert ("its page" in post.body) == bool(url)


async def test_a_picture_on_an_enterprise_host_is_read_from_that_host(place: Place) -> None:
    place.settings = STORE | {"github_api_base": "https://git.example.org/api/v3"}
    async with place.open() as made:
        row = await made.result()
        await made.end_of(await made.discussing.post_result(row, WISH, ALICE))
        (post,) = place.github.posts.values()
        assert "](<https://git.example.org/mlsystems/pictures/raw/main/results/" in post.body
