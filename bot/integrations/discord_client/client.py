"""The connection to Discord, from login to a shutdown that finishes the answers in flight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import discord

from bot.integrations.discord_client.answers import Answers
from bot.integrations.discord_client.bases import adopt_gateway, use_bases
from bot.integrations.discord_client.buttons import Buttons
from bot.integrations.discord_client.delivery import AnswerSender
from bot.integrations.discord_client.discussions.doors import Discuss
from bot.integrations.discord_client.errors import guarded
from bot.integrations.discord_client.following import Following
from bot.integrations.discord_client.home.commands import GuildCommands
from bot.integrations.discord_client.intake import Intake
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.rate_limits import mend_rate_limits
from bot.integrations.discord_client.reply import Reply
from bot.integrations.discord_client.sync import sync_everywhere, sync_home
from bot.integrations.discord_client.tree import Tree
from compute.ending import end

log = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
IDENTIFY_EVERY_S = 5.0  # one IDENTIFY in that time: Discord's limit for a bot of one shard
LONGEST_RETRY_S = 60.0
UNREACHABLE = (OSError, aiohttp.ClientError, TimeoutError, discord.DiscordServerError,
               discord.GatewayNotFound)  # fmt: skip

NO_INTENT = (
    "Discord refuses the message-content intent: switch it on at "
    "https://discord.com/developers/applications (Bot, Privileged Gateway Intents), or set "
    "K2C_READ_MESSAGES=off."
)


class DiscordRefused(Exception):
    """Discord does not take us; the message is a sentence for the operator."""


class K2CClient(discord.Client):
    """Sees only servers and their channels: no members, no messages, nothing privileged.

    Where the operator wishes it (K2C_READ_MESSAGES), threads can be read when somebody posts one.
    """

    def __init__(self, parts: DiscordParts) -> None:
        # We join no voice channel: the operator need not read what is missing for it.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=discord.Intents(
                guilds=True, message_content=parts.settings.read_messages == "on"
            ),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
        )
        self.following = Following(parts, self)
        answers = Answers(parts, self.following)
        self.intake = Intake()
        self.connected = asyncio.Event()
        self.discuss = Discuss(parts, answers, self)
        menus = {**self.discuss.menus, **parts.menus}
        self._guild = GuildCommands(replace(parts, menus=menus))
        self.tree = Tree(self, self.intake, parts.commands, answers, self._guild)
        self._buttons = Buttons(parts, answers, self.following, self.discuss)
        self._settings = parts.settings
        self._store = parts.store
        self._channels_changed = parts.channels_changed
        self._signed_in_at = -IDENTIFY_EVERY_S
        self.absent: set[int] = set()  # home servers that have not taken their commands yet
        keep_forms_out_of_the_log()

    async def setup_hook(self) -> None:
        """After login, before the gateway."""
        await adopt_gateway(self, self._settings)
        mend_rate_limits(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Keep Discord's 5 s between two sign-ins, counted from the last one.

        The library waits 5 s before every repeated one, however long ago the last was: after a
        lost session questions went unanswered for up to 28 s while each new trouble began anew.
        """
        await asyncio.sleep(self._signed_in_at + IDENTIFY_EVERY_S - time.monotonic())
        self._signed_in_at = time.monotonic()

    async def on_connect(self) -> None:
        """Interactions arrive from now on."""
        self.connected.set()

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Buttons and forms; commands and their suggestions are the tree's.

        The library's DynamicItem would do for buttons, but forms have none: one sent after a
        restart, or opened twice, would be dropped without a word. So both are read here.
        """
        kinds = (discord.InteractionType.component, discord.InteractionType.modal_submit)
        if interaction.type not in kinds or not self.intake.begin(interaction):
            return
        reply = Reply(interaction, self.intake.counts)
        with self.intake.working():
            if not await self.intake.turned_away(reply):
                pressed = self._guild if self._guild.knows_press(reply) else self._buttons
                await guarded(reply, pressed.press(reply))

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """A home server that we were added to after the start gets its commands now."""
        if any(home.id == guild.id for home in self._guild.homes):
            await sync_home(self.tree, self._store, guild)
        self._changed(guild)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """A server is there (again), with its channels and roles. In the 2 s after signing in the
        library takes one that we join for one that came back.
        """
        if guild.id in self.absent and await sync_home(self.tree, self._store, guild):
            self.absent.discard(guild.id)
        self._changed(guild)

    async def on_guild_channel_create(self, channel: discord.abc.GuildChannel) -> None:
        """A channel was made."""
        self._changed(channel.guild)

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """A channel was deleted."""
        self._changed(channel.guild)

    async def on_guild_channel_update(
        self, _: discord.abc.GuildChannel, channel: discord.abc.GuildChannel
    ) -> None:
        """A channel's name or permissions changed."""
        self._changed(channel.guild)

    async def on_guild_role_update(self, _: discord.Role, role: discord.Role) -> None:
        """What a role may do changed."""
        self._changed(role.guild)

    async def on_member_update(self, _: discord.Member, member: discord.Member) -> None:
        """Our own roles changed: of no other member are we told."""
        self._changed(member.guild)

    def _changed(self, guild: discord.Guild) -> None:
        if self._channels_changed is not None:
            self._channels_changed(str(guild.id))

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        """An event handler of ours failed; there is nobody to tell."""
        log.exception("handling %s failed", event_method)

    async def finish(self) -> None:
        """Begin nothing more, wait for what is in flight (bounded), disconnect."""
        await self.intake.finish()
        await self.following.close()
        await self.discuss.close()
        await self.close()


def keep_forms_out_of_the_log() -> None:
    """At DEBUG the library logs every event whole, with what is typed into a form: keys, too."""
    gateway = logging.getLogger("discord.gateway")
    if gateway.getEffectiveLevel() < logging.INFO:
        gateway.setLevel(logging.INFO)


class DiscordService:
    """The Discord door as a whole: ``start`` runs until ``close``, or raises ``DiscordRefused``.

    ``answers`` delivers finished jobs: whoever has the outbox registers it there.
    """

    def __init__(self, parts: DiscordParts) -> None:
        self._parts = parts
        self._closed = asyncio.Event()
        self.client: K2CClient | None = None
        self.ready = asyncio.Event()
        self.answers = AnswerSender(parts, lambda: self.client)

    async def start(self) -> None:
        """Log in, register the commands, stay connected. ``ready`` is set once they are known.

        While Discord cannot be reached this waits and tries again. Raises ``DiscordRefused``.
        """
        token = self._parts.settings.discord_token
        if token is None:
            raise DiscordRefused("DISCORD_TOKEN is not set.")
        use_bases(self._parts.settings)
        client = await self._logged_in(token.get_secret_value())
        if client is None:
            return
        await client.following.resume()
        await client.discuss.resume()
        registering = asyncio.create_task(self._register(client), name="discord-commands")
        try:
            await self._connect(client, registering)
        finally:
            await end(registering)
            await client.close()

    async def close(self) -> None:
        """Finish the answers in flight and disconnect; ``start`` returns. May be called twice."""
        self._closed.set()
        if self.client is not None:
            await self.client.finish()

    async def _logged_in(self, token: str) -> K2CClient | None:
        """A client that Discord knows, or None when closed before that."""
        for pause_s in _pauses_s():
            client = K2CClient(self._parts)
            try:
                await client.login(token)
            except discord.LoginFailure:
                await client.close()
                raise DiscordRefused(
                    "Discord refuses DISCORD_TOKEN: copy the bot's token again from "
                    "https://discord.com/developers/applications (Bot, Reset Token)."
                ) from None
            except (*UNREACHABLE, discord.HTTPException) as error:
                await client.close()
                if not _passing(error):
                    raise DiscordRefused(f"Discord refuses the login: {error}.") from None
                await self._wait(pause_s, error)
            else:
                self.client = client
                return client
            if self._closed.is_set():
                return None
        return None

    async def _connect(self, client: K2CClient, registering: asyncio.Task[None]) -> None:
        """Until closed; a registration that Discord refuses ends it too."""
        connecting = asyncio.create_task(client.connect(), name="discord-gateway")
        try:
            done, _ = await asyncio.wait(
                {connecting, registering}, return_when=asyncio.FIRST_COMPLETED
            )
            if registering in done:
                registering.result()
            await connecting
        except discord.ConnectionClosed as error:
            raise DiscordRefused(
                f"Discord closed the connection for good (code {error.code}): check the token."
            ) from None
        except discord.PrivilegedIntentsRequired:
            raise DiscordRefused(NO_INTENT) from None
        except discord.DiscordException as error:
            raise DiscordRefused(f"The connection to Discord ended: {error}.") from None
        finally:
            await end(connecting)  # discord.py waits for the gateway by wait_for

    async def _register(self, client: K2CClient) -> None:
        for pause_s in _pauses_s():
            if self._closed.is_set():
                return
            try:
                homes = self._parts.settings.home_guild_ids
                client.absent = await sync_everywhere(client.tree, self._parts.store, homes)
                for guild in [guild for guild in client.guilds if guild.id in client.absent]:
                    await client.on_guild_available(guild)  # it may have come meanwhile
            except (*UNREACHABLE, discord.HTTPException) as error:
                if not _passing(error):
                    raise DiscordRefused(f"Discord refuses the commands: {error}.") from None
                await self._wait(pause_s, error)
            else:
                self.ready.set()
                return

    async def _wait(self, pause_s: float, error: Exception) -> None:
        name = type(error).__name__
        log.warning("Discord cannot be reached (%s); next try in %.0f s", name, pause_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._closed.wait()


def _passing(error: Exception) -> bool:
    """Whether trying again later can help."""
    if isinstance(error, discord.HTTPException):
        return error.status == 429 or error.status >= 500
    return isinstance(error, UNREACHABLE)


def _pauses_s() -> Iterator[float]:
    pause_s = FIRST_RETRY_S
    while True:
        yield pause_s
        pause_s = min(pause_s * 2, LONGEST_RETRY_S)
