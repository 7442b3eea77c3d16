"""The embedded server: start or reuse, stop, look at. Everything here may wait for seconds."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from compute.broker import process
from compute.broker.access import Access
from compute.broker.certs import SERVER, SERVER_KEY, ensure_certificates, read_authority
from compute.broker.config import Listener, Server, config_text
from compute.broker.folder import BrokerError, Folder
from compute.broker.keys import public_key
from compute.broker.permissions import Worker
from compute.broker.place import Place, place_of

ADDRESS = "address.json"  # the Place, with the port that was taken
WORKERS = "workers.json"
BOT_KEY = "bot.nk"
PORT_S = 0.5
TRIES = 3  # another program may take a free port between our look and the server's start


@dataclass(frozen=True, slots=True)
class Status:
    """``pid`` None: no process. ``answers``: it is up; ``version`` is what it says itself.

    ``urls`` are those of this machine, ``store_bytes`` what it keeps on disk.
    """

    pid: int | None
    answers: bool
    version: str
    urls: tuple[str, ...]
    public_url: str
    store_bytes: int


def ensure_broker(folder: Path, listen: str = "", public_url: str = "") -> Access:
    """The running server of ``folder``, started if need be; the access of user "bot".

    ``listen`` is host:port for workers from elsewhere ("" = loopback, any free port);
    ``public_url`` (tls:// or wss://) how they reach it. A server that runs with other settings is
    started again with these. Raises ``BrokerError`` with a sentence for the operator.
    """
    home, wanted = Folder.at(folder), place_of(listen, public_url)
    with home.locked():
        pid = process.running_pid(home)
        if pid is not None and not _reusable(home, wanted, pid):
            process.stop(home, pid)
            pid = None
        if pid is None:
            _start(home, wanted)
    return broker_access(folder)


def broker_access(folder: Path, name: str = "bot") -> Access:
    """How ``name`` ("bot", "local" or "sys") reaches the server of ``folder`` on this machine."""
    home = Folder.at(folder)
    place = held_place(home)
    ca = read_authority(home) if place.tls else ""
    return Access((place.local_url,), name, home.seeds()[name], ca=ca)


def run_broker(folder: Path, listen: str = "", public_url: str = "") -> NoReturn:
    """Become the server, for a container or a service manager. Raises ``BrokerError``.

    ``bot.nk`` beside its files holds the key of user "bot", for a bot in another container.
    """
    home, wanted = Folder.at(folder), place_of(listen, public_url)
    with home.locked():
        if process.running_pid(home) is not None:
            raise BrokerError(f"The server of {home.path} runs already: k2c down stops it.")
        home.pid.unlink(missing_ok=True)
        prepare(home, wanted)
    home.write_text(BOT_KEY, home.seeds()["bot"] + "\n")
    process.become(home)


def stop_broker(folder: Path) -> bool:
    """End the server of ``folder``; False where none runs."""
    if not folder.exists():
        return False
    home = Folder.at(folder)
    with home.locked():
        pid = process.running_pid(home)
        if pid is not None:
            process.stop(home, pid)
    return pid is not None


def broker_status(folder: Path) -> Status:
    """What runs there; changes nothing. Raises ``BrokerError`` where nothing ever ran."""
    home = Folder(folder.resolve())
    place = held_place(home)
    said = process.greeting(place.local_host, place.port) or {}
    ours = said.get("server_name") == home.server_name
    kept = sum(path.stat().st_size for path in home.store.rglob("*") if path.is_file())
    return Status(
        pid=process.running_pid(home),
        answers=ours,
        version=str(said.get("version", "")) if ours else "",
        urls=(place.local_url,),
        public_url=place.public_url,
        store_bytes=kept,
    )


def held_place(home: Folder) -> Place:
    """Where the server of ``home`` listens, or did last. Raises ``BrokerError`` if it never ran."""
    held = home.read(ADDRESS)
    if not held:
        raise BrokerError(f"No queue was started in {home.path} yet: k2c up does.")
    try:
        place = Place(**held)
    except TypeError:
        place = Place()
    if not isinstance(place.port, int) or not place.port:
        raise BrokerError(f"{home.path / ADDRESS} is not what was written there.")
    return place


def read_workers(home: Folder) -> list[Worker]:
    """Those that were added, in that order. Raises ``BrokerError`` for a damaged file."""
    try:
        rows = home.read(WORKERS).get("workers", [])
        return [Worker(**{**row, "lanes": tuple(row["lanes"])}) for row in rows]
    except (TypeError, KeyError):
        raise BrokerError(f"{home.path / WORKERS} is not what was written there.") from None


def reload(home: Folder) -> None:
    """Write the configuration anew and wait until a running server has read it (0.03 s).

    Connections of those who stay are not touched. Raises ``BrokerError`` where it is refused.
    """
    home.write_text(home.config.name, _config(home, held_place(home)))
    pid = process.running_pid(home)
    if pid is not None:
        # nats-server 2.15 opens the doors of an account that is new only when it reads it again.
        process.reload(home, pid)
        process.reload(home, pid)


def prepare(home: Folder, wanted: Place) -> Place:
    """Everything that a server needs to start, with a port that is free now."""
    place = _with_ports(home, wanted)
    if place.tls or place.websocket_tls:
        ensure_certificates(home, place.hosts)
    Folder.at(home.store)
    home.write(ADDRESS, dataclasses.asdict(place))
    home.write_text(home.config.name, _config(home, place))
    return place


def _reusable(home: Folder, wanted: Place, pid: int) -> bool:
    """Whether what runs is up, soon if it was only just started, and as the settings want it."""
    try:
        held = held_place(home)
        same = held == (dataclasses.replace(wanted, port=wanted.port or held.port))
        if not same or home.config.read_text(encoding="utf-8") != _config(home, held):
            return False
        process.wait_until_up(home, pid, held.local_host, held.port)
    except (BrokerError, OSError):
        return False
    return True


def _start(home: Folder, wanted: Place) -> None:
    for attempt in range(1, TRIES + 1):
        place = prepare(home, wanted)
        try:
            process.start(home, place.local_host, place.port)
            return
        except BrokerError:
            _end_half_started(home)
            if attempt == TRIES or wanted.port:
                raise


def _end_half_started(home: Folder) -> None:
    pid = process.running_pid(home)
    if pid is not None:
        process.stop(home, pid)


def _with_ports(home: Folder, wanted: Place) -> Place:
    """The port of last time where it is free, so that workers find the server again."""
    for host, port in ((wanted.host, wanted.port), (wanted.websocket_host, wanted.websocket_port)):
        if port and not _is_free_soon(host, port):
            raise BrokerError(f"{host}:{port} is taken by another program: set K2C_NATS_LISTEN.")
    if wanted.port:
        return wanted
    last = 0
    with contextlib.suppress(BrokerError):
        last = held_place(home).port
    port = last if last and _is_free_soon(wanted.host, last) else _free_port(wanted.host)
    return dataclasses.replace(wanted, port=port)


def _is_free_soon(host: str, port: int) -> bool:
    """A killed server is gone from the process table before the kernel has closed its port."""
    until = time.monotonic() + PORT_S
    while not _is_free(host, port):
        if time.monotonic() > until:
            return False
        time.sleep(process.LOOK_S)
    return True


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _config(home: Folder, place: Place) -> str:
    files: dict[str, Any] = {"certificate": home.path / SERVER, "key": home.path / SERVER_KEY}
    websocket = Listener(
        place.websocket_host, place.websocket_port, **(files if place.websocket_tls else {})
    )
    return config_text(
        Server(
            name=home.server_name,
            store=home.store,
            pid=home.pid,
            log=home.log,
            nats=Listener(place.host, place.port, **(files if place.tls else {})),
            websocket=websocket if place.websocket_host else None,
            keys={name: public_key(seed) for name, seed in home.seeds().items()},
            workers=read_workers(home),
        )
    )
