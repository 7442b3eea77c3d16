"""The embedded server's configuration: where it listens, what it keeps, who may do what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute.broker.permissions import API, Worker, of_worker
from compute.jobs.job import MAX_JSON_BYTES

MAX_PAYLOAD = 1_048_576  # bytes of one message: a chunk of a file has 524,288
MAX_MEMORY_STORE = 33_554_432  # we keep nothing in memory
MAX_FILE_STORE = 16 * 2**30  # a limit, not a reservation
MAX_CONNECTIONS = 1000  # strangers can open them where the server listens to the world
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
    """What nats.conf holds: one JSON value a line, which NATS's own format takes."""
    assert MAX_JSON_BYTES < MAX_PAYLOAD
    said: dict[str, Any] = {
        "server_name": server.name,
        "pid_file": str(server.pid),
        "log_file": str(server.log),
        "logfile_size_limit": 5_000_000,
        "logfile_max_num": 2,
        "max_payload": MAX_PAYLOAD,
        "max_connections": MAX_CONNECTIONS,
        "jetstream": {
            "store_dir": str(server.store),
            # The default syncs every 2 minutes: a stored job would not survive a power cut.
            "sync_interval": "always",
            "max_memory_store": MAX_MEMORY_STORE,
            "max_file_store": MAX_FILE_STORE,
        },
        **_listener(server.nats),
        "system_account": "SYS",
        "accounts": _accounts(server),
    }
    if server.websocket:
        plain = {} if server.websocket.certificate else {"no_tls": True}
        said["websocket"] = {**_listener(server.websocket), **plain}
    return "".join(f"{key}: {json.dumps(value, indent=1)}\n" for key, value in said.items())


def _listener(listener: Listener) -> dict[str, Any]:
    address = {"host": listener.host, "port": listener.port}
    if not listener.certificate:
        return address
    files = {"cert_file": str(listener.certificate), "key_file": str(listener.key)}
    return {**address, "tls": {**files, "timeout": 5}}


def _accounts(server: Server) -> dict[str, Any]:
    services = [{"service": subject} for subject in SERVICES]
    streams = [{"stream": subject} for subject in STREAMS]
    queue = {
        "jetstream": "enabled",
        "users": [{"nkey": server.keys["bot"]}],
        "exports": [*services, *streams],
    }
    workers = (Worker("local", server.keys["local"]), *server.workers)
    accounts = {f"WORKER-{worker.name}": _worker_account(worker) for worker in workers}
    return {"SYS": {"users": [{"nkey": server.keys["sys"]}]}, QUEUE: queue, **accounts}


def _worker_account(worker: Worker) -> dict[str, Any]:
    """A worker has an account of its own, with doors to exactly what it may do.

    Permissions alone would not hold it: the server sends its answer to whatever reply subject a
    request names, without asking whether the sender may publish there. So a worker could have its
    own state read back into the queue as a forged job. From an account, answers only go back in.
    """
    may = of_worker(worker)
    publish = [_name_within(subject) for subject in may.publish]
    permissions = {"publish": publish, "subscribe": [*may.subscribe, may.inbox]}
    services = [
        {"service": {"account": QUEUE, "subject": subject}, "to": name}
        for subject, name in zip(may.publish, publish, strict=True)
    ]
    streams = [{"stream": {"account": QUEUE, "subject": subject}} for subject in may.subscribe]
    return {
        "users": [{"nkey": worker.key, "permissions": permissions}],
        "mappings": {f"{API}.>": f"{RENAMED}.>"},
        "imports": [*services, *streams],
    }


def _name_within(subject: str) -> str:
    """What ``subject`` is called within a worker's account, whose API calls a mapping renames.

    Under its own name the server answers an account's API calls itself: it has no queue.
    """
    return RENAMED + subject.removeprefix(API) if subject.startswith(f"{API}.") else subject
