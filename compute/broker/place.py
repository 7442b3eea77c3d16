"""Where the embedded server listens, read from two settings."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from compute.broker.access import AccessError, check_url, is_loopback
from compute.broker.folder import BrokerError

WEBSOCKET = "127.0.0.1:4223"  # behind a reverse proxy on this machine
EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Place:
    """``host``/``port`` of the NATS listener (0 = any free), then of the websocket's, if any.

    ``tls`` and ``websocket_tls``: with our own certificate, which names ``hosts``.
    ``public_url`` goes into tokens; "" where nobody from elsewhere can come.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = False
    websocket_host: str = ""
    websocket_port: int = 0
    websocket_tls: bool = False
    public_url: str = ""

    @property
    def local_host(self) -> str:
        """How this machine itself calls the NATS listener."""
        return "127.0.0.1" if self.host in EVERYWHERE else self.host

    @property
    def local_url(self) -> str:
        """For the bot and the local worker."""
        shown = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"{'tls' if self.tls else 'nats'}://{shown}:{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names and addresses by which a worker may call the server."""
        names = {"127.0.0.1", "::1", "localhost", self.host, self.websocket_host}
        names.add(urlsplit(self.public_url).hostname or "")
        return tuple(sorted(names - {*EVERYWHERE, ""}))


def place_of(listen: str, public_url: str) -> Place:
    """``listen`` is where connections from elsewhere arrive: NATS's own, or with a wss
    ``public_url`` the websocket's. Off loopback it is always encrypted. Raises ``BrokerError``.
    """
    scheme = _scheme(public_url)
    if scheme == "wss":
        host, port = split_listen(listen or WEBSOCKET)
        return Place(
            websocket_host=host,
            websocket_port=port,
            websocket_tls=not is_loopback(host),
            public_url=public_url,
        )
    host, port = split_listen(listen) if listen else ("127.0.0.1", 0)
    if not public_url and not is_loopback(host) and host not in EVERYWHERE:
        shown = f"[{host}]" if ":" in host else host
        public_url = f"tls://{shown}:{port}"
    return Place(host, port, tls=bool(scheme) or not is_loopback(host), public_url=public_url)


def split_listen(listen: str) -> tuple[str, int]:
    """Host and port of ``0.0.0.0:4222`` or ``[::]:4222``. Raises ``BrokerError``."""
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or not port or listen.rstrip("0123456789")[-1:] != ":" or "@" in listen:
        raise BrokerError(f"K2C_NATS_LISTEN is {listen!r}; it must be host:port (0.0.0.0:4222).")
    return host, port


def _scheme(public_url: str) -> str:
    if not public_url:
        return ""
    try:
        scheme = urlsplit(check_url(public_url)).scheme
    except AccessError as error:
        raise BrokerError(f"K2C_NATS_PUBLIC_URL: {error}") from None
    if scheme not in ("tls", "wss"):
        raise BrokerError(f"K2C_NATS_PUBLIC_URL is {public_url!r}; it must be tls:// or wss://.")
    return scheme
