"""The embedded server's configuration: where it listens, what it keeps, who may do what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute.broker.permissions import API, Worker, of_worker
from compute.jobs.job import MAX_JSON_BYTES

MAX_PAYLOAD = 1_048_576  # bytes of one message: a chunk of a file has 524,288
MAX_MEMORY_STORE = 33_554_432  # we keep nothing in memory
MAX_FILE_STORE = 16 * 2**30  # a limit, not a reservation
QUEUE = "K2C"  # the account that holds streams and buckets
SERVICES = (f"{API}.>", "$JS.ACK.>", "$KV.>", "$O.>")
STREAMS = ("bell.>", "cancel.>")
RENAMED = "queue.api"


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


def _accounts(server: Server) -> Iterator[str]:
    yield "system_account: SYS"
    yield "accounts {"
    yield f"  SYS {{ users: [ {{ nkey: {server.keys['sys']} }} ] }}"
    yield f"  {QUEUE} {{"
    yield "    jetstream: enabled"
    yield f"    users: [ {{ nkey: {server.keys['bot']} }} ]"
    yield f"    exports: [ {', '.join((*map(_service, SERVICES), *map(_stream, STREAMS)))} ]"
    yield "  }"
    for worker in (Worker("local", server.keys["local"]), *server.workers):
        yield from _worker_account(worker)
    yield "}"


def _worker_account(worker: Worker) -> Iterator[str]:
    """A worker has an account of its own, with doors to exactly what it may do.

    Permissions alone would not hold it: the server sends its answer to whatever reply subject a
    request names, without asking whether the sender may publish there. So a worker could have its
    own state read back into the queue as a forged job. From an account, answers only go back in.
    """
    may = of_worker(worker)
    services = (
        f"{{ {_service(subject, QUEUE)}, to: {json.dumps(_name(subject))} }}"
        for subject in may.publish
    )
    streams = (f"{{ {_stream(subject, QUEUE)} }}" for subject in may.subscribe)
    heard = json.dumps([*may.subscribe, may.inbox])
    said = json.dumps([_name(subject) for subject in may.publish])
    yield f"  WORKER-{worker.name} {{"
    yield f"    users: [ {{ nkey: {worker.key}, permissions: {{ publish: {said}, subscribe: {heard} }} }} ]"
    yield f"    mappings: {{ {json.dumps(f'{API}.>')}: {json.dumps(f'{RENAMED}.>')} }}"
    yield "    imports: ["
    yield from (f"      {line}" for line in (*services, *streams))
    yield "    ]"
    yield "  }"


def _name(subject: str) -> str:
    """What ``subject`` is called within a worker's account, whose calls a mapping renames.

    Under its own name the server answers an account's API calls itself: it has no queue.
    """
    return RENAMED + subject.removeprefix(API) if subject.startswith(f"{API}.") else subject


def _service(subject: str, account: str = "") -> str:
    return _door("service", subject, account)


def _stream(subject: str, account: str = "") -> str:
    return _door("stream", subject, account)


def _door(kind: str, subject: str, account: str) -> str:
    """An export's entry, or with ``account`` the inner part of an import's."""
    if not account:
        return f"{{ {kind}: {json.dumps(subject)} }}"
    return f"{kind}: {{ account: {account}, subject: {json.dumps(subject)} }}"


def _quoted(value: object) -> str:
    return json.dumps(str(value))
