"""The gateway: sockets, sessions that outlive them, and the events they are owed."""

from __future__ import annotations

import asyncio
import importlib
import json
import secrets
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from tests.fakes.discord.messages import Stored
from tests.fakes.discord.world import Channel, Json

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1, 1 << 9, 1 << 12, 1 << 15
PRIVILEGED = 1 << 1 | 1 << 8 | MESSAGE_CONTENT
BAD_TOKEN, BAD_INTENTS = 4004, 4014
EVENT_NAMES = {"create": "MESSAGE_CREATE", "edit": "MESSAGE_UPDATE", "delete": "MESSAGE_DELETE"}


class Socket:
    """One WebSocket; compressed as the client asked."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport, how: str) -> None:
        self.ws = ws
        self._transport = transport
        self._order = asyncio.Lock()
        self._pack: Any = None
        if how == "zlib-stream":
            self._pack = zlib.compressobj()
            self._flush_mode = zlib.Z_SYNC_FLUSH
        elif how == "zstd-stream":
            zstandard: Any = importlib.import_module("zstandard")
            self._pack = zstandard.ZstdCompressor().compressobj()
            self._flush_mode = zstandard.COMPRESSOBJ_FLUSH_BLOCK

    async def send(self, op: int, data: Any, *, event: str | None = None, seq: Any = None) -> None:
        """Send one payload; a socket that is going away swallows it."""
        text = json.dumps({"op": op, "d": data, "s": seq, "t": event})
        async with self._order:
            if self.ws.closed:
                return
            try:
                if self._pack is None:
                    await self.ws.send_str(text)
                else:
                    packed = self._pack.compress(text.encode())
                    await self.ws.send_bytes(packed + self._pack.flush(self._flush_mode))
            except ConnectionError:
                return

    def abort(self) -> None:
        """Cut the connection without a goodbye."""
        self._transport.abort()


@dataclass
class Session:
    """What a bot identified; it keeps every event for the replay."""

    id: str
    intents: int
    shard: tuple[int, int]
    socket: Socket | None
    dead: bool = False
    ready: bool = False
    sent: list[tuple[int, str, Json]] = field(default_factory=list)

    async def push(self, event: str, data: Json) -> None:
        """Record an event and send it if a socket is there."""
        self.sent.append((len(self.sent) + 1, event, data))
        if self.socket is not None:
            await self.socket.send(DISPATCH, data, event=event, seq=len(self.sent))


class Gateway:
    """Accepts sockets and hands out events; its methods are also what a test makes go wrong."""

    def __init__(self, fake: FakeDiscord, *, allowed_privileged: int, heartbeat_s: float) -> None:
        self._fake = fake
        self.allowed_privileged = allowed_privileged
        self._heartbeat_s = heartbeat_s
        self.sessions: list[Session] = []
        self.sockets: list[Socket] = []
        self.paths: list[str] = []
        self.refuse_next = 0
        self.answer_heartbeats = True

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until it closes."""
        if self.refuse_next:
            self.refuse_next -= 1
            return web.Response(status=503)
        self.paths.append(request.path_qs)
        ws = web.WebSocketResponse(compress=False, max_msg_size=0)
        await ws.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        socket = Socket(ws, request.transport, request.query.get("compress", ""))
        self.sockets.append(socket)
        try:
            await socket.send(HELLO, {"heartbeat_interval": int(self._heartbeat_s * 1000)})
            async for frame in ws:
                if frame.type is WSMsgType.TEXT:
                    await self._receive(socket, json.loads(frame.data))
        finally:
            self.sockets.remove(socket)
            for session in self.sessions:
                if session.socket is socket:
                    session.socket = None
            self._fake.changed()
        return ws

    async def _receive(self, socket: Socket, payload: Json) -> None:
        data = payload.get("d")
        if payload["op"] == HEARTBEAT and self.answer_heartbeats:
            await socket.send(ACK, None)
        elif payload["op"] == IDENTIFY:
            await self._identify(socket, data or {})
        elif payload["op"] == RESUME:
            await self._resume(socket, data or {})

    async def _identify(self, socket: Socket, data: Json) -> None:
        self._fake.identifies.append(data)
        if data["token"] != self._fake.token:
            await socket.ws.close(code=BAD_TOKEN, message=b"Authentication failed.")
            return
        if data["intents"] & PRIVILEGED & ~self.allowed_privileged:
            await socket.ws.close(code=BAD_INTENTS, message=b"Disallowed intent(s).")
            return
        number, count = data.get("shard") or (0, 1)
        session = Session(secrets.token_hex(16), data["intents"], (number, count), socket)
        # A bot that identifies again gave its lost sessions up.
        self.sessions = [s for s in self.sessions if s.socket or s.shard != session.shard]
        self.sessions.append(session)
        await self._welcome(session)
        session.ready = True
        self._fake.changed()

    async def _welcome(self, session: Session) -> None:
        mine = [g for g in self._fake.guilds if g.has_bot and _owns(session, g.id)]
        application = {"id": self._fake.app_id, "flags": self._fake.app_flags}
        ready = {
            "v": 10,
            "user": self._fake.bot_user,
            "session_id": session.id,
            "guilds": [{"id": g.id, "unavailable": True} for g in mine],
            "resume_gateway_url": self._fake.gateway_url + "/resume",
            "session_type": "normal",
            "application": application,
            "shard": list(session.shard),
        }
        await session.push("READY", ready)
        for guild in mine:
            await session.push("GUILD_CREATE", guild.create_event(self._fake.bot_user))

    async def _resume(self, socket: Socket, data: Json) -> None:
        self._fake.resumes.append(data)
        known = [s for s in self.sessions if s.id == data["session_id"] and not s.dead]
        if not known or data["token"] != self._fake.token:
            await socket.send(INVALID, False)
            return
        session = known[0]
        replayed = int(data["seq"] or 0)
        while replayed < len(session.sent):  # it may grow while we send
            seq, event, body = session.sent[replayed]
            await socket.send(DISPATCH, body, event=event, seq=seq)
            replayed = seq
        session.socket = socket
        await session.push("RESUMED", {})
        self._fake.changed()

    async def dispatch(self, event: str, data: Json, guild_id: str | None, intent: int = 0) -> None:
        """Give an event to every session that may see it, connected or to be resumed."""
        for session in list(self.sessions):
            wanted = not intent or session.intents & intent
            if wanted and not session.dead and _owns(session, guild_id):
                await session.push(event, data)

    async def message_event(self, kind: str, stored: Stored) -> None:
        """Tell about a public message, its text blank where the intent for it is missing."""
        guild = stored.channel.guild
        intent = GUILD_MESSAGES if guild else DIRECT_MESSAGES
        for session in list(self.sessions):
            seen = session.intents & intent and _owns(session, guild.id if guild else None)
            if seen and not session.dead:
                await session.push(EVENT_NAMES[kind], self._event_data(kind, stored, session))

    def _event_data(self, kind: str, stored: Stored, session: Session) -> Json:
        guild = stored.channel.guild
        where = {"guild_id": guild.id} if guild else {}
        if kind == "delete":
            return {"id": stored.id, "channel_id": stored.channel.id} | where
        return self._fake.as_seen(stored, session.intents) | where

    @property
    def intents(self) -> int:
        """The intents of the newest session."""
        return self.sessions[-1].intents if self.sessions else 0

    def drop(self) -> None:
        """Cut every socket; the sessions stay resumable."""
        for socket in list(self.sockets):
            socket.abort()

    async def close(self, code: int = 4000) -> None:
        """Close every socket with a code."""
        for socket in list(self.sockets):
            await socket.ws.close(code=code)

    async def reconnect(self) -> None:
        """Send op 7 to every socket."""
        for socket in list(self.sockets):
            await socket.send(RECONNECT, None)

    async def invalidate(self, *, resumable: bool) -> None:
        """Send op 9 to every socket; not resumable ends the sessions."""
        for session in self.sessions:
            session.dead = session.dead or not resumable
        for socket in list(self.sockets):
            await socket.send(INVALID, resumable)

    async def channel_changed(self, channel: Channel) -> None:
        """Send CHANNEL_UPDATE, as after a change of permissions."""
        assert channel.guild is not None
        data = channel.payload(self._fake.app_id)
        await self.dispatch("CHANNEL_UPDATE", data, channel.guild.id, GUILDS)


def _owns(session: Session, guild_id: str | None) -> bool:
    number, count = session.shard
    return number == ((int(guild_id) >> 22) % count if guild_id else 0)
