"""Keys of the endpoints that /eval may ask, encrypted with K2C_SECRET_KEY; never shown again."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.community import ledger
from bot.community.words import Audit, By
from bot.store import Store
from compute.tool import Refused

if TYPE_CHECKING:
    from cryptography.fernet import Fernet
    from sqlite_utils import Database

MAX_ENDPOINTS = 25
MAX_KEY = 1_000
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
KEY = re.compile(r"[\x21-\x7e]+")
INFO = b"k2c endpoint keys, version 1"
NO_SECRET = (
    "Keys of endpoints cannot be stored here: whoever operates this bot first sets "
    "K2C_SECRET_KEY (docs/settings.md), which encrypts them."
)
PUT = """INSERT INTO community_endpoints (guild_id, name, origin, sealed) VALUES (?, ?, ?, ?)
    ON CONFLICT (guild_id, name) DO UPDATE SET origin = excluded.origin, sealed = excluded.sealed"""
TAKE = "DELETE FROM community_endpoints WHERE guild_id = ? AND name = ?"
SEALED = "SELECT origin, sealed FROM community_endpoints WHERE guild_id = ? AND name = ?"

Note = Callable[[str, Audit, int], None]


class Endpoints:
    """Part of ``CommunityBook``; names and origins are in memory, keys only in the database."""

    def __init__(self, store: Store, home: tuple[str, ...], secret_key: str, note: Note) -> None:
        self._store = store
        self._secret = secret_key
        self._note = note
        self._known: dict[str, dict[str, str]] = {guild: {} for guild in home}
        self._changing = asyncio.Lock()

    def hold(self, guild_id: str, known: Mapping[str, str]) -> None:
        """What the database had at the start."""
        self._known[guild_id] = dict(known)

    def known(self, guild_id: str) -> dict[str, str]:
        """Names and origins of one home server's endpoints."""
        return dict(self._known.get(guild_id, {}))

    def need_secret(self) -> None:
        """Raises ``Refused`` where keys cannot be encrypted."""
        if not self._secret:
            raise Refused(NO_SECRET)

    async def put(self, guild_id: str, name: str, origin: str, key: str, by: By) -> None:
        """Keep ``key`` for ``origin`` under ``name``, in place of what was there.

        Raises ``Refused`` for a name, origin or key that cannot be, and without a secret.
        """
        self.need_secret()
        known = self._known.get(guild_id)
        if known is None:
            raise Refused("Endpoints exist only in the community's own servers.")
        name, origin = checked_name(name), checked_origin(origin)
        if not KEY.fullmatch(key) or len(key) > MAX_KEY:
            raise Refused(f"A key is 1 to {MAX_KEY:,} printable characters without spaces.")
        async with self._changing:
            if name not in known and len(known) >= MAX_ENDPOINTS:
                raise Refused(f"A server has at most {MAX_ENDPOINTS} endpoints; remove one first.")
            sealed = seal(self._secret, guild_id, name, origin, key)
            words = f"{'changed' if name in known else 'set'} endpoint {name}: {origin}"
            await self._write(guild_id, words, by, (PUT, [guild_id, name, origin, sealed]))
            known[name] = origin

    async def remove(self, guild_id: str, name: str, by: By) -> bool:
        """Forget an endpoint and its key; whether there was one."""
        async with self._changing:
            if name not in self._known.get(guild_id, {}):
                return False
            await self._write(guild_id, f"removed endpoint {name}", by, (TAKE, [guild_id, name]))
            del self._known[guild_id][name]
            return True

    async def key_for(self, guild_id: str, name: str) -> tuple[str, str] | None:
        """(origin, key) of an endpoint; None where there is none, or the key cannot be read with
        the secret that is set now.
        """
        if guild_id not in self._known or not self._secret:
            return None
        row = await self._store.read(
            lambda db: db.conn.execute(SEALED, [guild_id, name]).fetchone()
        )
        key = unseal(self._secret, guild_id, name, row[0], row[1]) if row else None
        return (row[0], key) if key is not None else None

    async def _write(
        self, guild_id: str, words: str, by: By, statement: tuple[str, list[str]]
    ) -> None:
        line = Audit(by, words, time.time())

        def change(db: Database) -> int:
            db.conn.execute(*statement)
            return ledger.add_audit(db, guild_id, [line])

        self._note(guild_id, line, await self._store.write(change))


def checked_name(name: str) -> str:
    """Raises ``Refused`` for what is no name."""
    if NAME.fullmatch(name):
        return name
    raise Refused(
        "An endpoint's name has 1 to 32 lower-case letters, digits and hyphens.",
        field="name",
        given=name[:40],
        example="name:our-vllm",
    )


def checked_origin(origin: str) -> str:
    """Scheme, host and port alone. Raises ``Refused``: a key goes nowhere unencrypted."""
    try:
        parts = urlsplit(origin.rstrip("/"))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    named = HOST.fullmatch(host)
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "https" or not named or extra or port == 0:
        raise Refused(
            "An origin is https:// with a host and perhaps a port, and nothing after it.",
            field="origin",
            given=origin[:80],
            example="origin:https://llm.example.org:8443",
        )
    return f"https://{host}" + (f":{port}" if port not in (None, 443) else "")


def seal(secret: str, guild_id: str, name: str, origin: str, key: str) -> str:
    """``key`` encrypted together with where it belongs."""
    return _fernet(secret).encrypt(json.dumps([guild_id, name, origin, key]).encode()).decode()


def unseal(secret: str, guild_id: str, name: str, origin: str, sealed: str) -> str | None:
    """The key; None under another secret, or for a row that was moved to another place."""
    from cryptography.fernet import InvalidToken

    try:
        *place, key = json.loads(_fernet(secret).decrypt(sealed.encode()))
    except (InvalidToken, ValueError):
        return None
    return str(key) if place == [guild_id, name, origin] else None


def _fernet(secret: str) -> Fernet:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), 32, salt=None, info=INFO).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
