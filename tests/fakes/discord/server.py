"""The fake Discord itself: one server on loopback with the API, the gateway, the CDN and people."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from aiohttp import web

from tests.fakes.discord import control, schema
from tests.fakes.discord.calls import API, Call, Violation, add_routes
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.faults import Fault, Faults
from tests.fakes.discord.gateway import MESSAGE_CONTENT, PRIVILEGED, Gateway
from tests.fakes.discord.interactions import Interactions
from tests.fakes.discord.messages import Messages, Stored
from tests.fakes.discord.place import Place, Where
from tests.fakes.discord.routes import ALL
from tests.fakes.discord.user import User
from tests.fakes.discord.world import (
    DM,
    PERMISSIONS,
    Channel,
    Guild,
    GuildSpec,
    Json,
    Role,
    Snowflakes,
    bits,
    build_guild,
    has,
    user_payload,
)

# In this order: home, another server with the bot, one whose members brought the app themselves.
DEFAULT_GUILDS = (GuildSpec("home"), GuildSpec("other"), GuildSpec("foreign", has_bot=False))
CONTENT_FLAG = 1 << 19  # the application may ask for message content
LOOK_AGAIN_S = 0.02  # for conditions on the bot's side, which wake nobody here
MAX_REQUEST_BYTES = 100 * 2**20


class FakeDiscord:
    """Start with ``async with``; the docstrings of ``user`` and ``faults`` say what it can do.

    ``ack_deadline_s`` and ``token_life_s`` are Discord's 3 s and 15 min, shorter where a test wants
    them over soon; ``privileged`` lets a bot identify with privileged intents; ``validate`` holds
    every request against Discord's OpenAPI file if that is there.
    """

    def __init__(
        self,
        guilds: Sequence[GuildSpec] = DEFAULT_GUILDS,
        *,
        token: str = "MTA.fake.token",
        port: int = 0,
        ack_deadline_s: float = 3.0,
        token_life_s: float = 900.0,
        nonce_window_s: float = 300.0,
        attachment_limit: int = 10 * 2**20,
        heartbeat_s: float = 41.25,
        privileged: bool = False,
        validate: bool = True,
    ) -> None:
        self.token, self._port = token, port
        self.ack_deadline_s, self.token_life_s = ack_deadline_s, token_life_s
        self.nonce_window_s, self.attachment_limit = nonce_window_s, attachment_limit
        self.new_id = Snowflakes()
        self.app_id = self.new_id()
        self.app_flags = CONTENT_FLAG if privileged else 0
        self.bot_user = user_payload(self.app_id, "k2c", bot=True)
        self.spec = schema.load_spec(schema.spec_path()) if validate else None
        self.guilds = [build_guild(spec, self.new_id, self.app_id) for spec in guilds]
        self.channels = {c.id: c for g in self.guilds for c in g.channels}
        self.people: dict[str, User] = {}
        self.commands: list[Json] = []
        self.guild_commands: dict[str, list[Json]] = {}
        self.syncs: Counter[str] = Counter()
        self.requests: list[Call] = []
        self.violations: list[Violation] = []
        self.identifies: list[Json] = []
        self.resumes: list[Json] = []
        self.faults = Faults()
        self.messages = Messages(self)
        self.interactions = Interactions(self)
        allowed = PRIVILEGED if privileged else 0
        self.gateway = Gateway(self, allowed_privileged=allowed, heartbeat_s=heartbeat_s)
        self.cdn: dict[str, Any] = {}
        self.crosspost_hour_s = 3600.0  # in which a channel takes 10; shorter where a test waits
        self.crossposts: dict[str, list[float]] = {}  # when, by channel
        self.silent_history = False  # a closed history is then empty instead of refused
        self._waiters: list[asyncio.Event] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeDiscord:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_get("/gateway", self.gateway.accept)
        app.router.add_get("/gateway/resume", self.gateway.accept)
        app.router.add_get("/attachments/{path:.*}", self._serve_file)
        control.add_routes(app, self)
        add_routes(app, self, ALL)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.gateway.drop()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api_base(self) -> str:
        """What DISCORD_API_BASE is set to."""
        return f"http://127.0.0.1:{self._port}{API}"

    @property
    def gateway_url(self) -> str:
        """What DISCORD_GATEWAY_URL may be set to."""
        return f"ws://127.0.0.1:{self._port}/gateway"

    @property
    def cdn_base(self) -> str:
        """What DISCORD_CDN_BASE is set to."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def home(self) -> Guild:
        """The community's own server."""
        return self.guilds[0]

    @property
    def other(self) -> Guild:
        """A server that added the bot."""
        return self.guild("other")

    @property
    def foreign(self) -> Guild:
        """A server without the bot, whose members may have installed the app for themselves."""
        return next(g for g in self.guilds if not g.has_bot)

    def guild(self, name: str) -> Guild:
        """Return the guild called ``name``."""
        return next(g for g in self.guilds if g.name == name)

    def user(self, name: str, *, roles: Sequence[str] = (), locale: str = "en-US") -> User:
        """Return the person called ``name``, a member of every guild, with these roles there."""
        known = next((p for p in self.people.values() if p.name == name), None)
        if known is None:
            known = User(self, self.new_id(), name)
            self.people[known.id] = known
        known.roles, known.locale = tuple(roles) or known.roles, locale
        return known

    def command(self, name: str, guild: Guild | None = None) -> Json:
        """Return the registered command called ``name`` as a client would find it."""
        known: list[Json] = [
            *self.guild_commands.get(guild.id if guild else "", ()),
            *self.commands,
        ]
        for command in known:
            if command["name"] == name:
                return command
        raise AssertionError(f"no command {name!r}; registered: {[c['name'] for c in known]}")

    def place(self, person: User, where: Where) -> Place:
        """Turn what a test says about the place into a channel."""
        user_install = where.get("user_install", False)
        if where.get("dm"):
            return Place(self.dm(person), user_install)
        guild = where.get("guild") or (self.foreign if user_install else self.home)
        return Place(where.get("channel") or guild.channels[0], user_install)

    def dm(self, person: User) -> Channel:
        """Return the direct-message channel with a person."""
        for channel in self.channels.values():
            if channel.type == DM and channel.recipient == person.json:
                return channel
        channel = Channel(self.new_id(), "", DM, recipient=person.json)
        self.channels[channel.id] = channel
        return channel

    def need(self, channel: Channel, permission: str, code: int = 50013) -> None:
        """Refuse what the bot may not do in ``channel``."""
        if channel.guild is None:
            return
        may = channel.guild.bot_permissions(channel)
        if not has(may, "view_channel"):
            raise ApiError(50001)
        if not has(may, permission):
            raise ApiError(code)

    async def deny(self, channel: Channel, *permissions: str) -> None:
        """Take permissions from the bot in a channel; without names give all back."""
        assert set(permissions) <= set(PERMISSIONS)
        channel.denied = channel.denied | bits(*permissions) if permissions else 0
        await self.gateway.channel_changed(channel)

    async def allow_role(self, role: Role, guild: Guild, *permissions: str) -> None:
        """Give a role these permissions and no others, in the whole server."""
        role.permissions = bits(*permissions)
        data = {"guild_id": guild.id, "role": role.payload()}
        await self.gateway.dispatch("GUILD_ROLE_UPDATE", data, guild.id)

    async def delete_channel(self, channel: Channel) -> None:
        """Take a channel away, with its messages."""
        assert channel.guild is not None
        channel.guild.channels.remove(channel)
        del self.channels[channel.id]
        await self.gateway.dispatch("CHANNEL_DELETE", channel.payload(self.app_id),
                                    channel.guild.id)  # fmt: skip

    def fault(self, method: str, path: str, **what: Any) -> Fault:
        """Plan a ``Fault`` for requests of ``method`` (or ``*``) whose path fits a pattern."""
        return self.faults.add(Fault(method, path, **what))

    def kill_tokens(self) -> None:
        """Let all interaction tokens die now."""
        for interaction in self.interactions.by_id.values():
            interaction.token_dead = True

    def channel_messages(self, channel: Channel) -> list[Stored]:
        """Return the public messages of a channel, oldest first."""
        kept = self.messages.by_id.values()
        return [m for m in kept if m.channel is channel and not m.deleted and m.viewer is None]

    def as_seen(self, stored: Stored, intents: int) -> Json:
        """Return a message as the bot gets it: others' words only with the intent for them."""
        seen = copy.deepcopy(stored.json)
        mine = seen["author"]["id"] == self.app_id or stored.channel.type == DM
        mentioned = any(u["id"] == self.app_id for u in seen["mentions"])
        if not mine and not mentioned and not intents & MESSAGE_CONTENT:
            seen |= {"content": "", "embeds": [], "attachments": [], "components": []}
        return seen

    async def ready(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109
        """Wait until a bot is connected and has got its guilds."""
        await self.wait_for(
            lambda: any(s.ready and s.socket and not s.dead for s in self.gateway.sessions), timeout
        )

    async def wait_for(self, condition: Callable[[], object], timeout_s: float = 5.0) -> None:
        """Wait until ``condition`` holds: looked at after all that happens here, and in between."""
        event = asyncio.Event()
        self._waiters.append(event)
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    event.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(event.wait(), LOOK_AGAIN_S)
        finally:
            self._waiters.remove(event)

    def changed(self) -> None:
        """Wake everybody who waits for something to happen."""
        for event in self._waiters:
            event.set()

    def now(self) -> float:
        """Return seconds on the clock of all ``at_s`` and deadlines."""
        return time.perf_counter()

    async def _serve_file(self, request: web.Request) -> web.Response:
        upload = self.cdn.get(request.path)
        if upload is None:
            return web.Response(status=404)
        return web.Response(body=upload.data, content_type=upload.content_type)
