"""How to reach the queue: addresses, who one is, and the key. A worker gets it as one string."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from compute.broker.keys import SEED, is_seed

PREFIX = "k2c1."
MAX_TOKEN = 16_384  # characters; ours have about 1,000
MAX_URLS = 8
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
SCHEMES = ("nats", "tls", "ws", "wss")
ENCRYPTED = ("tls", "wss")
PEM_BEGIN = "-----BEGIN CERTIFICATE-----"
PEM_END = "-----END CERTIFICATE-----"


class AccessError(ValueError):
    """A token or setting that leads to no queue; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the queue is and who comes.

    ``urls``: servers of one cluster (nats, tls, ws or wss). ``seed``: an nkey user seed; or
    ``creds``: path of a credentials file. ``ca``: PEM text of the one authority to trust, "" for
    those of the system.
    """

    urls: tuple[str, ...]
    name: str = "bot"
    seed: str = field(default="", repr=False)
    creds: str = ""
    ca: str = field(default="", repr=False)

    def encode(self) -> str:
        """One string to paste. Raises ``AccessError`` where it needs a file of this machine."""
        if self.creds:
            raise AccessError("A credentials file cannot travel in a token; copy the file.")
        body: dict[str, Any] = {"urls": self.urls, "name": self.name, "seed": self.seed}
        if self.ca:
            body["ca"] = self.ca
        text = json.dumps(body, separators=(",", ":"))
        return PREFIX + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Access:
        """What ``encode`` made. Raises ``AccessError`` for anything else."""
        body = _body("".join(token[: MAX_TOKEN + 1].split()))
        urls, name = body.get("urls"), body.get("name")
        if not isinstance(urls, list) or not 0 < len(urls) <= MAX_URLS:
            raise AccessError("The token names no server.")
        return cls(
            urls=tuple(check_url(url) for url in urls),
            name=_matching(NAME, name, "a worker's name"),
            seed=_matching(SEED, body.get("seed"), "a key"),
            ca=_certificate(body.get("ca", "")),
        )


def access_of(url: str, creds: str = "", ca: str = "", *, name: str = "bot") -> Access:
    """An existing NATS: K2C_NATS_URL (comma list), K2C_NATS_CREDS and K2C_NATS_CA (paths).

    The credentials file is NATS's own kind, or holds just an nkey user seed. Raises
    ``AccessError`` for a wrong address and for a file that cannot be read.
    """
    urls = tuple(check_url(part.strip(), anywhere=True) for part in url.split(",") if part.strip())
    if not urls:
        raise AccessError("No address of a NATS server is given.")
    held = _read(creds, "K2C_NATS_CREDS").strip() if creds else ""
    seed = held if is_seed(held) else ""
    if creds and not seed and "BEGIN NATS USER JWT" not in held:
        raise AccessError(f"{creds} holds neither NATS credentials nor an nkey user seed (SU...).")
    trusted = _certificate(_read(ca, "K2C_NATS_CA")) if ca else ""
    return Access(urls=urls, name=name, seed=seed, creds="" if seed else creds, ca=trusted)


def check_url(url: object, *, anywhere: bool = False) -> str:
    """``url`` itself. Raises ``AccessError``; unencrypted only to loopback unless ``anywhere``."""
    if not isinstance(url, str) or len(url) > 300 or not url.isascii() or not url.isprintable():
        raise AccessError("A server's address must be text such as tls://host:4222.")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or " " in url:
        raise AccessError(f"{url[:80]!r} is no address of a server, such as tls://host:4222.")
    if not anywhere:
        if parts.username is not None or parts.password is not None:
            raise AccessError("A server's address holds no login.")
        if parts.scheme not in ENCRYPTED and not is_loopback(parts.hostname or ""):
            raise AccessError(f"{url[:80]!r} is neither encrypted (tls, wss) nor on this machine.")
    return url


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _body(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN or not token.startswith(PREFIX):
        raise AccessError(
            f"That is no token: one begins with {PREFIX} and comes from k2c worker add."
        )
    text = token.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise AccessError("The token is damaged; copy it again, whole.") from None
    if not isinstance(body, dict):
        raise AccessError("The token is damaged; copy it again, whole.")
    return body


def _matching(pattern: re.Pattern[str], value: object, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise AccessError(f"The token holds no valid {what.removeprefix('a ')}.")
    return value


def _certificate(text: object) -> str:
    """PEM text of certificates that the TLS library reads, or ""."""
    if text == "":
        return ""
    if not isinstance(text, str) or PEM_BEGIN not in text or PEM_END not in text:
        raise AccessError("The certificate authority is no PEM certificate.")
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise AccessError("The certificate authority is no certificate that can be read.") from None
    return text


def _read(path: str, setting: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise AccessError(f"{setting}: {path} cannot be read ({reason}).") from None
