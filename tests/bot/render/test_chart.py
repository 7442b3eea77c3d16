from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from bot.render.chart import ChartBusy, ChartFailed, ChartRenderer
from bot.view import Chart, Mark, Series

pytestmark = pytest.mark.slow  # a child process loads matplotlib: about a second

PNG = b"\x89PNG\r\n\x1a\n"


def chart(name: str = "line") -> Chart:
    line = Series(name, (1.0, 2.0, 4.0), (3.0, 5.0, 9.0), ("1", "", "4 in flight"))
    return Chart(name, "x", "y", (line,), alt="", marks=(Mark(2.0, 5.0, "here", 4.0, 6.0),))


@pytest.fixture
async def renderer() -> AsyncIterator[ChartRenderer]:
    made = ChartRenderer(queue=1)
    yield made
    await made.close()


def size(picture: bytes) -> tuple[int, int]:
    """Width and height from the PNG header (PNG specification, section 11.2.2)."""
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


async def test_a_chart_is_a_png_of_the_size_that_the_pages_announce(
    renderer: ChartRenderer,
) -> None:
    picture = await renderer.png(chart())
    assert picture.startswith(PNG) and size(picture) == (1200, 675)


async def test_dark_and_light_are_two_pictures_and_each_is_kept(renderer: ChartRenderer) -> None:
    dark = await renderer.png(chart())
    light = await renderer.png(chart(), "light")
    assert dark != light
    assert renderer.cached(chart()) is dark and renderer.cached(chart(), "light") is light


async def test_a_chart_is_drawn_once_however_often_it_is_asked(renderer: ChartRenderer) -> None:
    assert renderer.cached(chart()) is None
    first, second = await asyncio.gather(renderer.png(chart()), renderer.png(chart()))
    assert first is second
    assert renderer.cached(chart()) is first


async def test_a_full_queue_says_busy_and_loses_nothing(renderer: ChartRenderer) -> None:
    waiting = [asyncio.create_task(renderer.png(chart(f"c{n}"))) for n in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(ChartBusy):
        await renderer.png(chart("one too many"))
    assert all(picture.startswith(PNG) for picture in await asyncio.gather(*waiting))


async def test_a_chart_that_cannot_be_drawn_fails_alone(renderer: ChartRenderer) -> None:
    broken = Chart("t", "x", "y", (Series("s", (1.0,), (1.0, 2.0)),), alt="")
    with pytest.raises(ChartFailed):
        await renderer.png(broken)
    assert (await renderer.png(chart())).startswith(PNG)


async def test_a_killed_chart_process_is_replaced(renderer: ChartRenderer) -> None:
    await renderer.png(chart())
    for process in list((renderer._executor()._processes or {}).values()):
        process.kill()
    with pytest.raises(ChartFailed):
        await renderer.png(chart("after the kill"))
    assert (await renderer.png(chart("again"))).startswith(PNG)


async def test_closing_ends_charts_under_way() -> None:
    made = ChartRenderer(queue=4)
    task = asyncio.create_task(made.png(chart("late")))
    await asyncio.sleep(0)
    await made.close()
    with pytest.raises((asyncio.CancelledError, ChartFailed)):
        await task


class Played:
    """A pool whose drawings end as the test says."""

    def __init__(self) -> None:
        self.futures: list[Future[bytes]] = []
        self.stopped = False
        self._processes: dict[int, object] = {}

    def submit(self, *_: object) -> Future[bytes]:
        self.futures.append(Future())
        return self.futures[-1]

    def shutdown(self, **_: object) -> None:
        self.stopped = True


async def asking(renderer: ChartRenderer, *names: str) -> list[asyncio.Task[bytes]]:
    """They wait for their pictures."""
    tasks = [asyncio.create_task(renderer.png(chart(name))) for name in names]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_who_hears_late_that_the_process_died_does_not_end_the_next_one() -> None:
    renderer, old, new = ChartRenderer(queue=4), Played(), Played()
    renderer._pool = old  # type: ignore[assignment]
    first, second = await asking(renderer, "first", "second")
    old.futures[0].set_exception(BrokenProcessPool())
    with pytest.raises(ChartFailed):
        await first
    assert old.stopped
    renderer._pool = new  # type: ignore[assignment]
    (third,) = await asking(renderer, "third")
    old.futures[1].set_exception(BrokenProcessPool())
    with pytest.raises(ChartFailed):
        await second
    assert not new.stopped
    new.futures[0].set_result(PNG)
    assert await third == PNG
    await renderer.close()


async def test_a_chart_that_waits_behind_one_without_an_end_fails_and_cancels_nobody() -> None:
    renderer, pool = ChartRenderer(queue=4), Played()
    renderer._pool = pool  # type: ignore[assignment]
    (waiting,) = await asking(renderer, "behind")
    pool.futures[0].cancel()  # as a shutdown does with what is queued
    with pytest.raises(ChartFailed):
        await waiting
    (ended,) = await asking(renderer, "at the end")
    await renderer.close()
    with pytest.raises((asyncio.CancelledError, ChartFailed)):
        await ended
