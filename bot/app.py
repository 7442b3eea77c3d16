"""Puts everything together, starts what is configured, and stops it in the reverse order."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

from bot.broker_watch import keep_broker
from bot.command import Command
from bot.commands import load_commands
from bot.community.service import CommunityBook
from bot.core import Core
from bot.limits import Limiter
from bot.local_worker import LocalWorker
from bot.lock import DataDirError, DataDirLock
from bot.operator_key import make_key
from bot.outbox import Outbox
from bot.outside import Outside, Pace
from bot.pulse import Pulse
from bot.queueing import start_jobs, tell_if_away
from bot.render.chart import ChartRenderer
from bot.results import Results
from bot.runner import Runner
from bot.store import FILE_NAME, Store, StoreError
from compute.context import LocalContext
from compute.ending import end
from config.settings import Settings
from content.errors import CatalogueError
from content.library import Library
from content.site import load_site

log = logging.getLogger(__name__)

PURGE_EVERY_S = 3600.0

Say = Callable[[str], object]


class StartError(Exception):
    """Why the bot cannot start, as one sentence; the process ends with exit code 2."""


class App:
    """The running bot. ``base_url`` is known once the pages are up; ``worker``: with one of its own
    on this machine; ``pace``: how patiently it works on the outside.
    """

    def __init__(
        self, settings: Settings, *, worker: bool = False, pace: Pace | None = None
    ) -> None:
        self.settings = settings
        self._pace = pace
        self.base_url = settings.public_url
        self._worker = worker
        self._parts = AsyncExitStack()
        self._stop = asyncio.Event()
        self._failure: StartError | None = None

    async def run(self, say: Say) -> None:
        """Start, say what is on and what is not, and serve until SIGINT or SIGTERM."""
        log_to_stderr(self.settings.log_level)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self._stop.set)
        try:
            await self.start(say)
            await self._stop.wait()
            if self._failure is not None:
                raise self._failure
            say("stopping: finishing what is under way")
        finally:
            await self.close()

    async def start(self, say: Say) -> None:
        """Start every configured part. Raises ``StartError``; call ``close`` either way."""
        try:
            await self._start(say)
        except (DataDirError, StoreError, CatalogueError) as error:
            raise StartError(str(error)) from error

    async def close(self) -> None:
        """Stop every part, the last started first."""
        await self._parts.aclose()

    async def _start(self, say: Say) -> None:
        core = await self._make_core(say)
        outside = Outside(core, load_site(), "", self._pace)
        self._parts.push_async_callback(outside.close)
        await self._start_pages(say, core, outside)
        self._start_discord(say, outside)
        await outside.start(say, self._background)
        self._background(core.outbox.run())
        if core.jobs is not None and not self.settings.nats_url:
            self._background(keep_broker(self.settings, core.jobs))
        if core.jobs is not None:
            self._background(tell_if_away(core.jobs, say))
        if self._worker:
            self._start_worker(say, core)
        settle_memory()
        self._background(core.pulse.run())
        self._background(_purge(core))
        self._background(_warm(core.charts))
        if self.settings.refresh == "on":
            await self._refresh(core.commands)

    async def _make_core(self, say: Say) -> Core:
        """Everything that the doors share."""
        settings = self.settings
        self._parts.enter_context(DataDirLock(settings.data_dir))
        store = await Store.open(settings.data_dir / FILE_NAME)
        self._parts.push_async_callback(store.close)
        results = Results(store)
        commands = load_commands()
        await asyncio.to_thread(_prepare, commands)
        context = LocalContext(settings.hf_endpoint)
        self._parts.push_async_callback(context.close)
        charts = ChartRenderer(settings.chart_queue)
        self._parts.push_async_callback(charts.close)
        outbox = Outbox(store)
        tools = [command.tool for command in commands.values()]
        community = await CommunityBook.open(store, settings.home_guild_ids, _secret(settings))
        library = Library()
        jobs = await start_jobs(settings, store, outbox, tools, community, say)
        if jobs is not None:
            self._parts.push_async_callback(jobs.close)
        live = {c.tool.name: c.live for c in commands.values() if c.live is not None}
        runner = Runner(
            results, context, retention_days=settings.retention_days, jobs=jobs, live=live,
            library=library,
        )  # fmt: skip
        return Core(
            settings, commands, store, results, runner, charts, Limiter(), outbox, jobs, Pulse(),
            community, library,
        )  # fmt: skip

    async def _start_pages(self, say: Say, core: Core, outside: Outside) -> None:
        from bot.web.app import create_app, start_pages
        from bot.web.services import Services

        host, port = self.settings.http_host, self.settings.http_port
        key = await asyncio.to_thread(make_key, self.settings.data_dir)
        services = Services(
            self.settings, core.commands, core.runner, core.results, core.charts, core.limiter,
            load_site(), self.base_url, core.pulse, core.jobs, key, outside.webhooks(),
        )  # fmt: skip
        try:
            pages, url = await start_pages(create_app(services), host, port)
        except OSError as error:
            raise StartError(_not_served(host, port, error)) from error
        self._parts.push_async_callback(pages.cleanup)
        outside.base_url = self.base_url = self.base_url or url
        say(f"pages    {url}")

    def _start_discord(self, say: Say, outside: Outside) -> None:
        service = outside.discord()
        if service is None:
            say("discord  off: set DISCORD_TOKEN to your bot's token (docs/discord.md)")
            return
        from bot.integrations.discord_client.client import DiscordRefused

        async def serve() -> None:
            try:
                await service.start()
            except DiscordRefused as error:
                self._failure = StartError(str(error))
                self._stop.set()

        async def report() -> None:
            await service.ready.wait()
            settle_memory()
            if service.client is not None:
                say(f"discord  commands registered as {service.client.user}")

        self._background(serve())
        self._parts.push_async_callback(service.close)
        self._background(report())

    async def _refresh(self, commands: Mapping[str, Command]) -> None:
        """Let each tool that can keep its data fresh do so, in threads of its own."""
        for command in commands.values():
            if command.tool.refresh is not None:
                stop = await asyncio.to_thread(command.tool.refresh)
                self._parts.push_async_callback(asyncio.to_thread, stop)

    def _start_worker(self, say: Say, core: Core) -> None:
        if core.jobs is None:
            say("worker   off: without a queue there is nothing for it to do")
            return
        worker = LocalWorker()
        self._background(worker.run())
        self._parts.push_async_callback(worker.close)
        say("worker   one on this machine (k2c worker add NAME attaches another)")

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(_log_failure)
        self._parts.push_async_callback(_cancel, task)


def _secret(settings: Settings) -> str:
    return settings.secret_key.get_secret_value() if settings.secret_key is not None else ""


def _not_served(host: str, port: int, error: OSError) -> str:
    where = f"The pages cannot be served on {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: another program uses that port; set K2C_HTTP_PORT (0 = any free one)."
    if error.errno == errno.EACCES:
        return f"{where}: this user may not use that port; set K2C_HTTP_PORT (above 1023)."
    return f"{where} ({error.strerror or error}): set K2C_HTTP_HOST to an address of this machine."


def settle_memory() -> None:
    """Collect once, and leave what start-up made out of every later collection.

    Modules, catalogues and schemas are some 85,000 objects: a full collection goes through them
    for 47 ms on the event loop, where somebody waits for an answer; frozen, for none.
    """
    gc.collect()
    gc.freeze()


def log_to_stderr(level: str) -> None:
    """One line a record, for whoever runs the process."""
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("markdown_it").setLevel(logging.INFO)  # it tells of every rule it tries


def _prepare(commands: Mapping[str, Command]) -> None:
    """Read and check every catalogue, so that no first answer waits for a file."""
    from content.validate import validate_catalogues

    validate_catalogues()
    for command in commands.values():
        command.tool.prepare()


async def _purge(core: Core) -> None:
    """Forget expired answers and the runs and files behind them, now and every hour."""
    while True:
        try:
            gone = await core.results.purge(time.time())
            if gone:
                log.info("%d expired answers are gone", gone)
            if core.jobs is not None:
                await core.jobs.purge(time.time())
            await core.outbox.let_go()
        except Exception:  # a file that cannot be removed, too: the next hour tries again
            log.exception("expired answers could not be removed")
        await asyncio.sleep(PURGE_EVERY_S)


async def _warm(charts: ChartRenderer) -> None:
    """Load matplotlib in its own process while nobody waits for it."""
    try:
        await charts.warm()
    except Exception:
        log.exception("charts cannot be drawn; answers go out without them")


def _log_failure(task: asyncio.Task[None]) -> None:
    """A part that ends by a fault of ours says so at once, not when the process stops."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a part of the bot ended: %r", error, exc_info=error)


async def _cancel(task: asyncio.Task[None]) -> None:
    await end(task)
