"""What is posted outside and what is heard from there: articles, Discussions, channels; put
together from parts that do not know each other.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.commands.home import load_home_commands
from bot.effects import Effect, enqueue
from bot.guild_command import GuildHouse
from bot.integrations.announcing.preview import ShownBy, discussions_page
from bot.integrations.announcing.service import Announcer
from bot.integrations.conversation.service import Conversation
from bot.integrations.discuss.service import Discussing
from bot.integrations.feeds.service import Sources
from bot.posting import ChannelPost
from bot.web.webhooks import Webhooks
from content.site import Site

if TYPE_CHECKING:
    from sqlite_utils import Database

    from bot.core import Core
    from bot.integrations.discord_client.channels.senders import ChannelSenders
    from bot.integrations.discord_client.client import DiscordService
    from bot.integrations.github_discussions.service import GitHubService
    from bot.integrations.github_discussions.words import Adopted

log = logging.getLogger(__name__)

Background = Callable[[Coroutine[Any, Any, None]], None]
Say = Callable[[str], object]

OFF = "github   off: set GITHUB_REPOSITORY and GITHUB_TOKEN, or an App (docs/github.md)"
CONNECT_S, LOOK_S = 10.0, 0.1  # what of ours stands in a channel is asked once Discord is there
WAITING = """SELECT COUNT(*) FROM outbox WHERE kind LIKE 'discord.%'
    AND state IN ('waiting', 'unknown') AND json_extract(payload, '$.channel_id') = ?"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How patiently the outside is worked on; tests are quicker.

    ``grace_s``: before an effect of unknown fate is looked for, None for each sender's own.
    ``change_every_s`` lie between two changes on GitHub; ``batch_s``: what people do on GitHub
    within that time is told together.
    """

    grace_s: float | None = None
    change_every_s: float = 1.0
    batch_s: float = 5.0

    @property
    def grace(self) -> dict[str, float]:
        """As ``register`` takes it."""
        return {} if self.grace_s is None else {"grace_s": self.grace_s}


class Outside:
    """One for the process: make it, let ``discord`` join, then ``start``."""

    def __init__(self, core: Core, site: Site, base_url: str, pace: Pace | None = None) -> None:
        self._core = core
        self._pace = pace or Pace()
        self._discord: DiscordService | None = None
        self._senders: ChannelSenders | None = None
        self.github = _github(core)
        store, outbox, settings = core.store, core.outbox, core.settings
        self.sources = Sources(settings, store, core.library, self.github)
        self.discussing: Discussing | None = None
        self.conversation: Conversation | None = None
        if self.github is not None:
            self.discussing = Discussing(
                store, outbox, core.community, core.commands, core.results, core.charts, settings,
                self.github.categories, known=lambda: self.announcer.knows_github(),
            )  # fmt: skip
            self.conversation = Conversation(
                store, outbox, core.community, site, self.github.is_own,
                fetch=self.github.discussions_since, origin_of=self.discussing.origin_of,
                batch_s=self._pace.batch_s,
            )  # fmt: skip
        self.announcer = self._announcer(site)
        self.base_url = base_url

    def webhooks(self) -> Webhooks | None:
        """What the pages need to take GitHub's deliveries; None where there is no secret."""
        settings = self._core.settings
        secret = settings.github_webhook_secret
        if secret is None or self.conversation is None:
            return None
        return Webhooks(
            secret.get_secret_value(), settings.github_repository, self.conversation.take,
            self.sources.wake,
        )  # fmt: skip

    def discord(self) -> DiscordService | None:
        """The Discord door with everything of its home servers; None without a token."""
        if self._core.settings.discord_token is None:
            return None
        from bot.integrations.discord_client.channels.places import ClientPlaces
        from bot.integrations.discord_client.channels.senders import ChannelSenders
        from bot.integrations.discord_client.client import DiscordService
        from bot.integrations.discord_client.parts import DiscordParts

        core = self._core
        house = GuildHouse(
            community=core.community,
            library=core.library,
            places=ClientPlaces(self._client),
            announcing=self.announcer,
            categories=self.github.categories if self.github is not None else list,
            waiting_in=self._waiting_in,
        )
        parts = DiscordParts(
            core.settings, core.commands, core.runner, core.results, core.store, core.charts,
            core.limiter, self.base_url, core.jobs,
            guild_commands=load_home_commands(), house=house, discussing=self.discussing,
            channels_changed=self._channels_changed,
        )  # fmt: skip
        self._discord = DiscordService(parts)
        self._discord.answers.register(core.outbox, **self._pace.grace)
        self._senders = ChannelSenders(self._client, self._trouble)
        self._senders.register(core.outbox, **self._pace.grace)
        return self._discord

    async def start(self, say: Say, background: Background) -> None:
        """Begin; the outbox runs after this."""
        if self.github is None:
            say(OFF)
        else:
            self.github.register(
                self._core.outbox, every_s=self._pace.change_every_s, **self._pace.grace
            )
            await self.github.start()
            say(f"github   {self._core.settings.github_repository}")
        await self.announcer.start()
        count = len(self._core.settings.articles)
        say(f"articles {count} {'source' if count == 1 else 'sources'}" if count else _NO_ARTICLES)
        background(self.sources.run(self.announcer.on_articles))
        background(self.announcer.run())
        if self.discussing is not None and self.conversation is not None:
            background(self.discussing.run())
            background(self.conversation.run())
            background(self._poll(self.conversation))

    async def close(self) -> None:
        """End what ``start`` began and the caller's background tasks do not hold."""
        if self.github is not None:
            await self.github.close()

    def _announcer(self, site: Site) -> Announcer:
        core, on_discord = self._core, self._core.settings.discord_token is not None
        given: dict[str, Any] = {}
        if on_discord:
            from bot.integrations.discord_client.channels.cards import card_view
            from bot.integrations.discord_client.channels.places import ClientPlaces

            page = discussions_page(core.settings)
            names = ClientPlaces(self._client).name_of
            given = {
                "shown_by": ShownBy(card_view, names, page), "adopt_channel": self._adopt_channel
            }  # fmt: skip
        if self.github is not None:
            given |= {"adopt_github": self._adopt_github, "categories": self.github.categories}
        return Announcer(
            core.store, core.outbox, core.community, core.library, site, core.settings, **given
        )

    def _client(self) -> Any:
        return self._discord.client if self._discord is not None else None

    def _channels_changed(self, guild_id: str) -> None:
        if self._senders is not None:
            self._senders.channels_changed(guild_id)

    async def _adopt_github(self) -> Sequence[Adopted]:
        """Our posts there, which those who post results and conversations know again too."""
        if self.github is None or self.discussing is None:
            return []
        found = await self.github.adopt()
        await self.discussing.adopt(found)
        return found

    async def _adopt_channel(self, channel_id: str) -> Sequence[Any]:
        from bot.integrations.discord_client.channels.adopting import Unreadable

        if self._senders is None or not await self._connected():
            raise Unreadable(channel_id, "Discord is not connected yet")
        return await self._senders.adopt(channel_id)

    async def _connected(self) -> bool:
        """Whether Discord is there, after a short while in which it may come."""
        ends = time.monotonic() + CONNECT_S
        while time.monotonic() < ends:
            client = self._client()
            if client is not None and client.is_ready():
                return True
            await asyncio.sleep(LOOK_S)
        return False

    async def _waiting_in(self, channel_id: str) -> int:
        """How many posts and changes wait for that channel."""

        def count(db: Database) -> int:
            return int(db.conn.execute(WAITING, [channel_id]).fetchone()[0])

        return await self._core.store.read(count)

    async def _trouble(
        self, guild_id: str, channel_id: str, purpose: str, lacking: list[str]
    ) -> None:
        """Tell that server's moderators, once a day for each channel and what it lacks."""
        from bot.integrations.discord_client.channels.troubles import trouble_card

        log.warning("channel %s (%s) lacks %s", channel_id, purpose, ", ".join(lacking))
        senders = self._senders
        name = senders.places.name_of(guild_id, channel_id) if senders is not None else ""
        waiting = await self._waiting_in(channel_id)
        card = trouble_card(guild_id, channel_id, name, purpose, lacking, waiting)
        what = hashlib.sha256("\0".join(sorted(lacking)).encode()).hexdigest()[:8]
        day = time.strftime("%Y-%m-%d", time.gmtime())
        places = [
            setting.channel_id for setting in self._core.community.channels("moderators")
            if setting.guild_id == guild_id and setting.channel_id != channel_id
        ]  # fmt: skip

        def change(db: Database) -> None:
            for place in places:
                post = ChannelPost(
                    channel_id=place, guild_id=guild_id, card=card, purpose="moderators"
                )
                key = f"dc:{place}:trouble:{channel_id}:{what}:{day}"
                enqueue(db, Effect(key, "discord.post", post.payload()))

        await self._core.store.write(change)
        self._core.outbox.wake()

    async def _poll(self, conversation: Conversation) -> None:
        """Look for what no webhook told of, as often as at the articles."""
        failed = ""
        while True:
            try:
                await conversation.poll()
                failed = ""
            except Exception as error:
                if str(error) != failed:
                    log.warning("the discussions could not be looked at: %s", error)
                failed = str(error)
            await asyncio.sleep(self._core.settings.poll_s)


_NO_ARTICLES = "articles off: K2C_ARTICLES names no source"


def _github(core: Core) -> GitHubService | None:
    """PyGithub is 12 MiB: without a repository it is not loaded."""
    settings = core.settings
    if not settings.github_repository:
        return None
    from bot.integrations.github_discussions.service import GitHubService

    service = GitHubService(settings)
    return service if service.configured else None
