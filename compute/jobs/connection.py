"""One connection to the queue, the same for bot and worker: it comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from nats.aio.client import Client
from nats.errors import Error, UnexpectedEOF

from compute.broker.access import ENCRYPTED, Access
from compute.broker.permissions import inbox_prefix

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
RETRY_S = 0.5  # between two attempts; a restarted server answers after 0.03 s
PING_S = 10  # a connection that a router forgot is found dead after three of these
ANSWER_S = 5
FLUSH_S = 10  # nats-py's own
FIRST_CUTS, MAX_CUTS = 4, 10  # 2 s at the first connection; 5 s where the key was good before
NOT_OURS = ("authorization violation", "authentication", "user jwt")

Callback = Callable[[], object]


class ConnectionRefused(Exception):
    """The queue will not have us or is not there; the message is one sentence."""


async def connect(
    access: Access,
    *,
    on_down: Callback | None = None,
    on_up: Callback | None = None,
    on_closed: Callback | None = None,
    patience_s: float | None = PATIENCE_S,
) -> Client:
    """A connection that comes back by itself, however long the server is away.

    ``on_down`` and ``on_up`` hear of each loss and return (functions or coroutine functions),
    ``on_closed`` of the end: closed by us, or this key is refused from now on. Raises
    ``ConnectionRefused`` at once for a wrong key, certificate or server without encryption, and
    after ``patience_s`` seconds (None = never) where no server answers.
    """
    client = _OurClient()
    trouble = _Trouble(access, client)
    trying = asyncio.ensure_future(
        client.connect(
            **_options(access),
            error_cb=trouble.heard,
            disconnected_cb=_calling(on_down),
            reconnected_cb=_calling(trouble.up, on_up),
            closed_cb=_calling(on_closed),
        )
    )
    refused = asyncio.ensure_future(trouble.refused.wait())
    try:
        await asyncio.wait(
            (trying, refused), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
        )
        if trying.done():
            await trying
            trouble.connected = True
            return client
    except Error as error:
        trouble.last = error
    finally:
        refused.cancel()
        if not trouble.connected:
            await _abandon(client, trying)
    raise ConnectionRefused(trouble.sentence())


class _OurClient(Client):
    """Where the address says tls, nothing of us is sent without it; its ``flush`` flushes, and
    whatever ends its reading while it is connected makes it connect anew.

    nats-py encrypts only if the server's first line, which travels in the clear, asks for it:
    whoever sits between could cut that out. This is called on each (re)connection, after the
    handshake and before the first word of ours.
    """

    introduced = 0  # how often our key was shown

    def _connect_command(self) -> bytes:
        server, transport = self._current_server, self._transport
        if server is not None and server.uri.scheme == "tls":
            writer = getattr(transport, "_io_writer", None)
            if writer is None or writer.get_extra_info("ssl_object") is None:
                raise _NotEncrypted("nats: the server offers no encryption")
        self.introduced += 1
        command: bytes = super()._connect_command()
        return command

    async def flush(self, timeout: int = FLUSH_S) -> None:  # noqa: ASYNC109 -- nats-py's own
        """Return once the server has done all that was said before. Raises nats-py's errors.

        nats-py 2.16 writes its PING past what still waits to be sent, so that the answer proved
        nothing of a subscription just made: on a busy machine 2 % began only afterwards.
        """
        with contextlib.suppress(TimeoutError):  # what is not sent is not answered either
            await asyncio.wait_for(self._flush_pending(force_flush=True), timeout)
        await super().flush(timeout)

    async def _process_pong(self) -> None:
        """nats-py 2.16 gives a late answer to a ``flush`` that was given up, which is an error."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _read_loop(self) -> None:
        """After an error that nats-py does not expect it logs it and reads no more: a connection
        that looks alive and hears nothing for as long as the process lives.
        """
        await super()._read_loop()
        if self.is_connected:
            await self._process_op_err(UnexpectedEOF())


class _NotEncrypted(Error):
    pass


class _Trouble:
    """What went wrong last, and whether another attempt could end differently."""

    def __init__(self, access: Access, client: _OurClient) -> None:
        self.access = access
        self.client = client
        self.last: Exception | None = None
        self.refused = asyncio.Event()
        self.connected = False
        self.closing: asyncio.Future[None] | None = None
        self.cuts = 0  # in a row, each right after our key was shown
        self._introduced = 0

    def up(self) -> None:
        """The connection is there again."""
        self.cuts, self.last = 0, None

    async def heard(self, error: Exception) -> None:
        """nats-py's error callback: without one it prints every failed attempt with its trace."""
        # Two attempts a second fail alike for as long as an outage lasts: one line is enough.
        new = self.connected and (self.last is None or _words(error) != _words(self.last))
        log.log(logging.INFO if new else logging.DEBUG, "queue: %s", _words(error))
        self.last = error
        refused = self._refuses(error)
        if not self.connected:
            if refused or _certificate_error(error) or isinstance(error, _NotEncrypted):
                self.refused.set()
        elif refused and self.closing is None:
            # nats-py would try this key again, twice a second, for ever.
            self.closing = asyncio.ensure_future(self.client.close())

    def _refuses(self, error: Exception) -> bool:
        """Whether it is our key that is not wanted (and not one subject of many).

        A server says so and closes; over TLS its word is mostly lost in that, so a key counts as
        refused also where the connection ends again and again as soon as it was shown.
        """
        shown = self.client.introduced > self._introduced
        self._introduced = self.client.introduced
        text = str(error).lower()
        if any(word in text for word in NOT_OURS) and "permissions violation" not in text:
            self.cuts = MAX_CUTS
        elif isinstance(error, ConnectionRefusedError):
            self.cuts = 0  # nobody listens
        elif shown and isinstance(error, OSError):
            self.cuts += 1
        return self.cuts >= (MAX_CUTS if self.connected else FIRST_CUTS)

    def sentence(self) -> str:
        """For the operator; it holds no key."""
        where = ", ".join(self.access.urls)
        if self.last is None:
            return f"No queue answers at {where}."
        certificate = _certificate_error(self.last)
        if certificate is not None:
            return f"The certificate at {where} is not trusted: {certificate.verify_message}."
        if isinstance(self.last, _NotEncrypted):
            return f"The server at {where} offers no encryption, but its address asks for it."
        if self.cuts >= FIRST_CUTS:
            return f"The queue at {where} refuses the key of {self.access.name}."
        return f"No queue answers at {where} ({_words(self.last)})."


def _options(access: Access) -> dict[str, Any]:
    options: dict[str, Any] = {
        "servers": list(access.urls),
        "name": access.name,
        "inbox_prefix": inbox_prefix(access.name),
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RETRY_S,
        "connect_timeout": ANSWER_S,
        "ping_interval": PING_S,
    }
    if access.seed:
        options["nkeys_seed_str"] = access.seed
    if access.creds:
        options["user_credentials"] = access.creds
    if any(url.startswith(ENCRYPTED) for url in access.urls):
        options["tls"] = _trust(access)
    return options


def _trust(access: Access) -> ssl.SSLContext:
    """Only the authority of the token where it names one, else those of the system."""
    context = ssl.create_default_context(cadata=access.ca or None)
    if access.ca and access.seed:
        context.minimum_version = ssl.TLSVersion.TLSv1_3  # our own server: no older client exists
    return context


def _calling(*callbacks: Callback | None) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        for callback in callbacks:
            try:
                outcome = callback() if callback else None
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception:
                log.exception("what hears of the connection failed")

    return call


async def _abandon(client: Client, trying: asyncio.Future[None]) -> None:
    """Leave nothing open: ``close`` alone skips what a failed attempt has opened."""
    trying.cancel()
    await asyncio.wait((trying,))
    await _quietly(client.close())
    transport: Any = client._transport
    if transport:
        transport.close()
        await _quietly(transport.wait_closed())
        _abort(transport)


def _abort(transport: object) -> None:
    """Close a connection without a word, and the one that its encryption runs over: asyncio closes
    that a turn of the loop later, which a client that nobody holds any more does not live to see.
    """
    for name in ("_io_writer", "_bare_io_writer"):
        writer: asyncio.StreamWriter | None = getattr(transport, name, None)
        if writer is not None:
            writer.transport.abort()


async def _quietly(closing: Coroutine[Any, Any, None]) -> None:
    """To the end or ``ANSWER_S``, however it ends: its waiter may have been cancelled before."""
    done, _ = await asyncio.wait((asyncio.ensure_future(closing),), timeout=ANSWER_S)
    for task in done:
        if not task.cancelled() and task.exception():
            log.debug("closing: %r", task.exception())


def _certificate_error(error: object) -> ssl.SSLCertVerificationError | None:
    """The reason under what the TLS or the websocket library raised."""
    while isinstance(error, BaseException):
        inner = getattr(error, "certificate_error", None) or error.__cause__
        if inner is None and isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = inner
    return None


def _words(error: Exception) -> str:
    return str(error).removeprefix("nats: ").strip("' ") or type(error).__name__
