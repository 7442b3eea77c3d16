"""Charts as PNG: a warm child process draws them, one at a time, and pictures are cached.

Nothing here imports matplotlib in the bot's own process (it costs about 60 MB and 0.5 s).
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from bot.render import drawing
from bot.view import Chart, Theme

DRAW_TIMEOUT_S = 20.0
CACHED_CHARTS = 128  # about 60 kB each


class ChartBusy(Exception):
    """More charts are waiting than the settings allow: offer a Chart button instead."""


class ChartFailed(Exception):
    """This chart could not be drawn; the answer's text stands without it."""


class ChartRenderer:
    """One for the process. ``queue`` is how many charts may wait beside the one being drawn."""

    def __init__(self, queue: int) -> None:
        self._queue = queue
        self._waiting = 0
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._drawing: dict[str, asyncio.Task[bytes]] = {}
        self._pool: ProcessPoolExecutor | None = None

    def cached(self, chart: Chart, theme: Theme = "dark") -> bytes | None:
        """The picture if it has been drawn before."""
        key = _key(chart, theme)
        if key in self._cache:
            self._cache.move_to_end(key)
        return self._cache.get(key)

    async def png(self, chart: Chart, theme: Theme = "dark") -> bytes:
        """The picture, drawn at most once however many ask. Raises ChartBusy or ChartFailed."""
        ready = self.cached(chart, theme)
        if ready is not None:
            return ready
        key = _key(chart, theme)
        task = self._drawing.get(key)
        if task is None:
            if self._waiting > self._queue:
                raise ChartBusy(f"{self._waiting} charts are waiting")
            task = asyncio.create_task(self._draw(key, chart, theme))
            self._drawing[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def warm(self) -> None:
        """Start the child and load matplotlib there, so that the first chart need not wait."""
        await asyncio.wrap_future(self._executor().submit(drawing.warm))

    async def close(self) -> None:
        """Stop the child; charts being drawn fail."""
        self._stop(self._pool)
        for task in list(self._drawing.values()):
            task.cancel()
        await asyncio.gather(*self._drawing.values(), return_exceptions=True)

    async def _draw(self, key: str, chart: Chart, theme: Theme) -> bytes:
        self._waiting += 1
        pool = self._executor()
        try:
            future = pool.submit(drawing.draw, chart, theme)
            picture = await asyncio.wait_for(asyncio.wrap_future(future), self._patience_s())
        except (TimeoutError, BrokenProcessPool) as error:
            self._stop(pool)
            raise ChartFailed(f"the chart process gave up: {type(error).__name__}") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # It waited behind one that never ended, and went with the process.
            raise ChartFailed("the chart process was ended") from error
        except Exception as error:
            raise ChartFailed(str(error)) from error
        finally:
            self._waiting -= 1
        self._cache[key] = picture
        while len(self._cache) > CACHED_CHARTS:
            self._cache.popitem(last=False)
        return picture

    def _patience_s(self) -> float:
        return DRAW_TIMEOUT_S * max(self._waiting, 1)

    def _forget(self, key: str, done: asyncio.Task[bytes]) -> None:
        self._drawing.pop(key, None)
        if not done.cancelled():
            done.exception()  # its askers have it; without one it must not be logged as lost

    def _executor(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=drawing.begin_child,
            )
        return self._pool

    def _stop(self, pool: ProcessPoolExecutor | None) -> None:
        """End ``pool``; who learns of it late leaves alone what stands in its place by then."""
        if pool is None or pool is not self._pool:
            return
        self._pool = None
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()


def _key(chart: Chart, theme: Theme) -> str:
    told = repr((chart, theme)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(told).hexdigest()
