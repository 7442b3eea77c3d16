"""The embedded server's configuration: where it listens, what it keeps, who may do what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.broker.permissions import Permissions, Worker, of_worker
from compute.jobs.job import MAX_JSON_BYTES

MAX_PAYLOAD = 1_048_576  # bytes of one message: a chunk of a file has 524,288
MAX_MEMORY_STORE = 33_554_432  # we keep nothing in memory
MAX_FILE_STORE = 16 * 2**30  # a limit, not a reservation


@dataclass(frozen=True, slots=True)
class Listener:
    """One address; ``certificate`` and ``key`` are PEM files, None without TLS."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """All that the configuration says. ``keys`` are public keys of bot, local and sys."""

    name: str
    store: Path
    pid: Path
    log: Path
    nats: Listener
    websocket: Listener | None
    keys: dict[str, str]
    workers: Sequence[Worker] = ()


def config_text(server: Server) -> str:
    """What is written to nats.conf. It is JSON-like; every string is quoted by ``json.dumps``."""
    assert MAX_JSON_BYTES < MAX_PAYLOAD
    lines = [
        f"server_name: {_quoted(server.name)}",
        f"pid_file: {_quoted(server.pid)}",
        f"log_file: {_quoted(server.log)}",
        "logfile_size_limit: 5000000",
        "logfile_max_num: 2",
        f"max_payload: {MAX_PAYLOAD}",
        "jetstream {",
        f"  store_dir: {_quoted(server.store)}",
        # The default syncs every 2 minutes: an acknowledged job would not survive a power cut.
        "  sync_interval: always",
        f"  max_memory_store: {MAX_MEMORY_STORE}",
        f"  max_file_store: {MAX_FILE_STORE}",
        "}",
        *_listener(server.nats),
        *(_websocket(server.websocket) if server.websocket else ()),
        *_accounts(server),
    ]
    return "\n".join(lines) + "\n"


def _listener(listener: Listener) -> list[str]:
    return [f"host: {_quoted(listener.host)}", f"port: {listener.port}", *_tls(listener)]


def _websocket(listener: Listener) -> list[str]:
    inner = _tls(listener) or ["no_tls: true"]
    address = [f"host: {_quoted(listener.host)}", f"port: {listener.port}"]
    return ["websocket {", *(f"  {line}" for line in (*address, *inner)), "}"]


def _tls(listener: Listener) -> list[str]:
    if not listener.certificate:
        return []
    files = f"cert_file: {_quoted(listener.certificate)}, key_file: {_quoted(listener.key)}"
    return [f"tls {{ {files}, timeout: 5 }}"]


def _accounts(server: Server) -> Iterable[str]:
    yield "system_account: SYS"
    yield "accounts {"
    yield f"  SYS {{ users: [ {{ nkey: {server.keys['sys']} }} ] }}"
    yield "  K2C {"
    yield "    jetstream: enabled"
    yield "    users: ["
    yield f"      {{ nkey: {server.keys['bot']} }}"
    for worker in (Worker("local", server.keys["local"]), *server.workers):
        yield f"      {{ nkey: {worker.key}, permissions: {_allowed(of_worker(worker))} }}"
    yield "    ]"
    yield "  }"
    yield "}"


def _allowed(permissions: Permissions) -> str:
    publish, subscribe = (json.dumps(list(p)) for p in (permissions.publish, permissions.subscribe))
    return f"{{ publish: {{ allow: {publish} }}, subscribe: {{ allow: {subscribe} }} }}"


def _quoted(value: object) -> str:
    return json.dumps(str(value))
