"""A fake GitHub, a fake Discord, a folder of articles, and the bot as a process between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bot.community.service import CommunityBook
from bot.community.words import By, ChannelSetting, RoleSetting, Setting
from bot.store import FILE_NAME, Store
from tests.fakes.discord import FakeDiscord, GuildSpec
from tests.fakes.discord.messages import Stored
from tests.fakes.discord.world import ANNOUNCEMENT, FORUM, TEXT
from tests.fakes.github import FakeGitHub
from tests.fakes.github.world import Discussion

ACK_S = 20.0  # Discord gives 3 s, for which a busy machine may stand still
ROOT = Path(__file__).resolve().parents[3]
SECRET = "a webhook's secret"
MARKER = re.compile(r"<!-- k2c:post key=([A-Za-z0-9_-]{22}) -->")
KEY = re.compile(r"k2c=([A-Za-z0-9_-]{22})")
PLACES = {"articles": TEXT, "news": ANNOUNCEMENT, "forum": FORUM, "mods": TEXT, "talk": TEXT}
STOP_S = 20.0


@dataclass
class House:
    """What outlives the bot's process."""

    discord: FakeDiscord
    github: FakeGitHub
    folder: Path
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    _reading: asyncio.Task[None] | None = None

    @property
    def articles(self) -> Path:
        """Where maintainers write."""
        return self.folder / "posts"

    @property
    def database(self) -> Path:
        """What may be lost."""
        return self.folder / "data" / FILE_NAME

    def write(self, slug: str, title: str = "", **more: str) -> None:
        """An article, new or changed."""
        given = {"title": title or f"About {slug}", "summary": f"What {slug} is.",
                 "topicId": "inference", "date": "2026-11-20", "authors": "[lchen]",
                 "tags": "[kernels]"} | more  # fmt: skip
        lines = [f"{name}: {value}" for name, value in given.items() if value]
        self.articles.mkdir(exist_ok=True)
        text = "\n".join(("---", *lines, "---", "", "Body."))
        (self.articles / f"{slug}.md").write_text(text, encoding="utf-8")

    async def configure(
        self, *extra: Setting, places: Sequence[str] = ("articles", "news", "forum")
    ) -> None:
        """What a moderator sets with /config, before the bot runs; articles go to ``places``."""
        self.database.parent.mkdir(exist_ok=True)
        guild = self.discord.home
        channel = {name: guild.channel(name).id for name in PLACES}
        store = await Store.open(self.database)
        try:
            book = await CommunityBook.open(store, (int(guild.id),))
            for setting in (
                *(ChannelSetting(guild.id, "announcements", channel[name],
                                 thread=name == "articles") for name in places),
                ChannelSetting(guild.id, "moderators", channel["mods"]),
                ChannelSetting(guild.id, "discussions", channel["talk"]),
                RoleSetting(guild.id, "post-results", guild.role("contributors").id),
                *extra,
            ):  # fmt: skip
                await book.set(setting, By("1", "mod"))
        finally:
            await store.close()

    async def start(self) -> None:
        """Start the bot; returns once its pages are served."""
        await self.spawn()
        await self.served()

    async def spawn(self) -> None:
        """Start the bot's process and wait for nothing."""
        self.url = ""
        environment = {
            "DISCORD_TOKEN": self.discord.token, "DISCORD_API_BASE": self.discord.api_base,
            "DISCORD_CDN_BASE": self.discord.cdn_base, "DISCORD_GUILD_ID": self.discord.home.id,
            "GITHUB_TOKEN": self.github.token, "GITHUB_API_BASE": self.github.api_base,
            "GITHUB_REPOSITORY": self.github.repository, "GITHUB_WEBHOOK_SECRET": SECRET,
            "K2C_ARTICLES": str(self.articles), "K2C_DATA_DIR": str(self.folder / "data"),
            "K2C_HTTP_PORT": "0", "K2C_REFRESH": "off", "K2C_LOG_LEVEL": "INFO",
            "K2C_NATS_URL": "nats://127.0.0.1:9", "PYTHONPATH": str(ROOT),
            "PATH": os.environ["PATH"], "HOME": str(self.folder),
        } | self.environment  # fmt: skip
        log = (self.folder / "log.txt").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bot.end_to_end.process",
            cwd=self.folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
        log.close()

    async def served(self) -> None:
        """Wait until a bot that was spawned serves its pages."""
        assert self.process is not None and self.process.stdout is not None
        async with asyncio.timeout(60):
            while not self.url:
                line = (await self.process.stdout.readline()).decode()
                assert line, self.log()
                if line.startswith("pages"):
                    self.url = line.split()[1]
        self._reading = asyncio.create_task(self._read())

    async def kill(self) -> None:
        """SIGKILL: no goodbye."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, as a supervisor does."""
        await self._end(signal.SIGTERM)

    async def pushed(self) -> None:
        """GitHub tells of a push, so the sources are looked at now."""
        await self.deliver("push", None, self.github.event("push.branch"))

    async def deliver(self, event: str, action: str | None, payload: Any) -> int:
        """One signed delivery to the bot's own webhook."""
        return await self.github.deliver(
            f"{self.url}/webhooks/github", event=event, action=action, payload=payload,
            secret=SECRET,
        )  # fmt: skip

    async def until(self, condition: Any, timeout_s: float = 60.0) -> None:
        """Wait until ``condition()`` holds."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():  # noqa: ASYNC110 -- what it looks at has no event
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{self.standing()}\n{self.log()[-4000:]}") from None

    async def quiet(self, timeout_s: float = 60.0) -> None:
        """Wait until nothing is open in the outbox for a moment."""
        for _ in range(2):
            await self.until(lambda: self.open_effects() == 0, timeout_s)
            await asyncio.sleep(0.5)
        await self.until(lambda: self.open_effects() == 0, timeout_s)

    def open_effects(self) -> int:
        """Effects that are not over."""
        return int(self.rows("SELECT COUNT(*) FROM outbox WHERE ended_at = 0")[0][0])

    def rows(self, sql: str) -> list[Any]:
        """What the database says."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as db:
            return db.execute(sql).fetchall()

    def standing(self) -> str:
        """Where effects stand, for a test that fails."""
        return "\n".join(map(str, self.rows("SELECT key, state, attempts, reason FROM outbox")))

    def lose_database(self) -> None:
        """What a broken disk does while the bot is away."""
        for file in self.database.parent.glob("k2c*"):
            file.unlink()

    def log(self) -> str:
        """What the bot logged."""
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    def discussions(self) -> list[Discussion]:
        """Those of ours."""
        return [d for d in self.github.discussions if MARKER.search(d.body)]

    def messages(self, place: str) -> list[Stored]:
        """Our messages with a key in a channel, in a forum those its posts begin with."""
        channel = self.discord.home.channel(place)
        every = [channel, *(c for c in self.discord.channels.values() if c.parent is channel)]
        found = [m for c in every for m in self.discord.channel_messages(c)]
        return [m for m in found if KEY.search(str(m.json["components"]))]

    async def _read(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(line.decode().rstrip())

    async def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(how)
        async with asyncio.timeout(STOP_S):
            await process.wait()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[House]:
    """Everything but the bot; what is left of it is killed in the end."""
    home = GuildSpec("home", channels=dict(PLACES), threads={})
    async with FakeDiscord((home,), ack_deadline_s=ACK_S) as discord, FakeGitHub() as github:
        house = House(discord, github, folder)
        discord.home.channel("forum").extra["available_tags"] = []
        try:
            yield house
        finally:
            await house.kill()
        assert discord.violations == [] and github.violations == []


def announced_once(house: House, slugs: Sequence[str]) -> None:
    """Each article is one Discussion and one message a channel, each linking to the other."""
    ours = house.discussions()
    titles = Counter(d.title for d in ours)
    assert titles == Counter({f"About {slug}": 1 for slug in slugs}), titles
    for place in ("articles", "news", "forum"):
        keys = Counter(KEY.findall(str(m.json["components"]))[0] for m in house.messages(place))
        assert len(keys) == len(slugs) and set(keys.values()) <= {1}, (place, keys)
    for discussion in ours:
        assert discussion.labels == ["kernels"]
        address = re.compile(re.escape(discussion.url) + r"(?!\d)")
        linked = [m for m in house.messages("articles") if address.search(str(m.json))]
        assert len(linked) == 1, discussion.title
        assert f"/{linked[0].id}" in discussion.body
    threads = [c for c in house.discord.channels.values() if c.parent is not None]
    under = Counter(c.parent.name for c in threads if c.parent is not None)
    assert under == {"articles": len(slugs), "forum": len(slugs)}
    news = house.messages("news")
    assert all(m.json["flags"] & 1 for m in news), "crossposted"


async def told(url: str) -> int:
    """Whether the pages answer."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/healthz") as reply:
        return reply.status
