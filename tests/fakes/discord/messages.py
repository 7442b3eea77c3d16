"""The messages of the fake: made, edited and deleted here, whichever route asks for it."""

from __future__ import annotations

import copy
import mimetypes
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from tests.fakes.discord import limits
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.pings import pings_of
from tests.fakes.discord.world import Channel, Json, has

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

KEEPS = ("content", "embeds", "components", "poll", "sticker_ids", "allowed_mentions")
SETTABLE_FLAGS = 1 << 2 | limits.EPHEMERAL | 1 << 12 | limits.COMPONENTS_V2

# No edit takes them away, so a v2 message stays one and a private answer stays private.
CROSSPOSTED = 1 << 0
STICKY_FLAGS = CROSSPOSTED | limits.COMPONENTS_V2 | limits.EPHEMERAL | limits.LOADING


@dataclass(frozen=True)
class Upload:
    """A file on its way in: from the bot as ``files[n]``, or from a user as an option."""

    filename: str
    data: bytes
    content_type: str = "application/octet-stream"


@dataclass(frozen=True)
class Event:
    """Something that happened to a message: kind, the message after it, the request's body."""

    kind: Literal["create", "edit", "delete"]
    message: Json
    body: Json
    pings: frozenset[str]
    at_s: float


@dataclass
class Stored:
    """A message and what Discord knows about it beyond its JSON."""

    json: Json
    channel: Channel
    viewer: str | None = None
    pings: set[str] = field(default_factory=set)
    deleted: bool = False
    events: list[Event] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The message's id."""
        return str(self.json["id"])


class Messages:
    """All messages by id, and the log of what happened to them in order."""

    def __init__(self, fake: FakeDiscord) -> None:
        self._fake = fake
        self.by_id: dict[str, Stored] = {}
        self.events: list[Event] = []
        self._nonces: dict[tuple[str, str], tuple[Stored, float]] = {}

    def find(self, message_id: str, channel: Channel | None = None) -> Stored:
        """Return a message that exists and is in ``channel``; else 10008."""
        stored = self.by_id.get(message_id)
        if stored is None or stored.deleted or (channel and stored.channel is not channel):
            raise ApiError(10008)
        return stored

    def known_nonce(self, channel: Channel, nonce: str) -> Stored | None:
        """Return the message that used ``nonce`` in the last minutes."""
        stored, used_s = self._nonces.get((channel.id, nonce), (None, 0.0))
        return stored if self._fake.now() - used_s < self._fake.nonce_window_s else None

    def remember_nonce(self, channel: Channel, nonce: str, stored: Stored) -> None:
        """Keep which message used ``nonce``."""
        self._nonces[channel.id, nonce] = (stored, self._fake.now())

    async def create(
        self,
        channel: Channel,
        body: Json,
        uploads: dict[int, Upload],
        *,
        author: Json,
        extra: Json | None = None,
        viewer: str | None = None,
    ) -> Stored:
        """Check and keep a new message, and tell the gateway unless only ``viewer`` sees it."""
        blank: Json = {"content": "", "embeds": [], "components": [], "attachments": [], "flags": 0}
        blank |= {"id": self._fake.new_id(), "channel_id": channel.id, "author": author}
        blank |= {"timestamp": _now(), "edited_timestamp": None, "type": 0, "tts": False}
        blank |= {"pinned": False, "mention_everyone": False, "mentions": [], "mention_roles": []}
        message = self._compose(blank | (extra or {}), body, uploads, channel)
        stored = Stored(message, channel, viewer)
        stored.pings = self._note_mentions(message, body, channel)
        self.by_id[stored.id] = stored
        await self._happened("create", stored, body)
        return stored

    async def edit(self, stored: Stored, body: Json, uploads: dict[int, Upload]) -> Stored:
        """Change a message; it notifies nobody. A "thinking" message becomes a real one."""
        old = copy.deepcopy(stored.json)
        old["flags"] &= ~limits.LOADING
        old["edited_timestamp"] = _now()
        stored.json = self._compose(old, body, uploads, stored.channel)
        await self._happened("edit", stored, body)
        return stored

    async def delete(self, stored: Stored) -> None:
        """Take a message away."""
        stored.deleted = True
        await self._happened("delete", stored, {})

    async def _happened(
        self, kind: Literal["create", "edit", "delete"], stored: Stored, body: Json
    ) -> None:
        pings = frozenset(stored.pings if kind == "create" else ())
        snapshot = copy.deepcopy(stored.json)
        event = Event(kind, snapshot, body, pings, self._fake.now())
        self.events.append(event)
        stored.events.append(event)
        self._fake.changed()
        if stored.viewer is None:
            await self._fake.gateway.message_event(kind, stored)

    def _compose(self, old: Json, body: Json, uploads: dict[int, Upload], channel: Channel) -> Json:
        """Lay ``body`` over ``old`` and refuse what Discord refuses."""
        new = copy.deepcopy(old)
        for key in KEEPS:
            if key in body:
                new[key] = copy.deepcopy(body[key] or ("" if key == "content" else []))
        if body.get("flags") is not None:
            new["flags"] = int(body["flags"]) & SETTABLE_FLAGS | old["flags"] & STICKY_FLAGS
        new["attachments"] = self._attachments(old, body, uploads, channel)
        if not new["flags"] & limits.LOADING:
            limits.check_message(new)
        new.pop("allowed_mentions", None)
        _number_components(new["components"])
        self._resolve_media(new)
        return new

    def _attachments(
        self, old: Json, body: Json, uploads: dict[int, Upload], channel: Channel
    ) -> list[Json]:
        listed = body.get("attachments")
        known = {a["id"]: a for a in old["attachments"]}
        kept = list(known.values()) if listed is None else []
        described: dict[int, Json] = {}
        for index, entry in enumerate(listed or ()):
            if str(entry["id"]) in known:
                kept.append(known[str(entry["id"])])
            elif int(entry["id"]) in uploads:
                described[int(entry["id"])] = entry
            else:
                where = ("attachments", index, "id")
                raise ApiError(50035, [(where, f"no file and no attachment {entry['id']}")])
        return kept + [
            self.keep_file(upload, channel.id, described.get(number, {}))
            for number, upload in sorted(uploads.items())
        ]

    def keep_file(self, upload: Upload, channel_id: str, entry: Json | None = None) -> Json:
        """Store a file for the CDN route and return its attachment object."""
        if len(upload.data) > self._fake.attachment_limit:
            raise ApiError(40005)
        entry = entry or {}
        name = re.sub(r"[^\w.\-]", "_", entry.get("filename") or upload.filename)
        file_id = self._fake.new_id()
        path = f"/attachments/{channel_id}/{file_id}/{name}"
        self._fake.cdn[path] = upload
        url = self._fake.cdn_base + path
        kind = mimetypes.guess_type(name)[0] or upload.content_type
        found = {"id": file_id, "filename": name, "size": len(upload.data), "url": url}
        found |= {"proxy_url": url, "content_type": kind}
        described = entry.get("description")
        return found | {"description": described} if described else found

    def _resolve_media(self, message: Json) -> None:
        """Turn attachment:// into addresses of the CDN, as the answer of the API shows them."""
        urls = {f"attachment://{a['filename']}": a["url"] for a in message["attachments"]}
        media = [m for _, m in limits.media_urls(message["components"])]
        media += [e[k] for e in message["embeds"] for k in ("image", "thumbnail") if e.get(k)]
        for item in media:
            item["url"] = urls.get(item["url"], item["url"])
            item["proxy_url"] = item["url"]

    def _note_mentions(self, message: Json, body: Json, channel: Channel) -> set[str]:
        may = channel.guild is None or has(
            channel.guild.bot_permissions(channel), "mention_everyone"
        )
        allowed = body.get("allowed_mentions")
        found = pings_of(message, allowed, may_ping_everyone=may)
        if not may and channel.guild is not None:
            quiet = {f"role:{r.id}" for r in channel.guild.roles if not r.mentionable}
            found -= quiet
        known = {p.id: p.json for p in self._fake.people.values()}
        known[self._fake.app_id] = self._fake.bot_user
        message["mentions"] = [known[p] for p in sorted(found) if p in known]
        message["mention_roles"] = sorted(p[5:] for p in found if p.startswith("role:"))
        message["mention_everyone"] = bool(found & {"everyone", "here"})
        return found


def _number_components(components: list[Json]) -> None:
    """Give every component its number, as Discord does where the bot gave none."""
    taken = {c["id"] for _, c in limits.walk(components) if c.get("id")}
    number = 0
    for _, component in limits.walk(components):
        if not component.get("id"):
            number += 1
            while number in taken:
                number += 1
            component["id"] = number


def _now() -> str:
    return datetime.now(UTC).isoformat()
