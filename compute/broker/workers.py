"""Workers from elsewhere: add one (its key is made here and told once), remove, list."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from compute.broker.access import NAME, Access
from compute.broker.certs import read_authority
from compute.broker.folder import OWN_USERS, BrokerError, Folder
from compute.broker.keys import new_seed, public_key
from compute.broker.permissions import Worker
from compute.broker.place import EVERYWHERE, Place
from compute.broker.server import WORKERS, held_place, read_workers, reload
from compute.jobs.lanes import is_lane


def add_worker(
    folder: Path, name: str, lanes: Iterable[str] = (), *, own_ca: bool | None = None
) -> str:
    """The token of a new worker ``name`` that may take jobs of ``lanes`` (none = of every lane).

    It can connect at once. ``own_ca`` False leaves our authority out of the token, for a proxy in
    front that has a public certificate. Raises ``BrokerError``.
    """
    home, chosen = Folder.at(folder), tuple(dict.fromkeys(lanes))
    _check(name, chosen)
    with home.locked():
        place, workers = held_place(home), read_workers(home)
        if not place.public_url and place.host in EVERYWHERE:
            raise BrokerError(
                "Workers must be told where to connect: set K2C_NATS_PUBLIC_URL "
                "(tls://host:port or wss://host) and start k2c up again."
            )
        if any(worker.name == name for worker in workers):
            raise BrokerError(f"There is a worker {name} already: k2c worker remove {name} first.")
        seed = new_seed()
        ca = _authority(home, place, own_ca)
        worker = Worker(name, public_key(seed), chosen, time.time())
        _write(home, [*workers, worker])
    return Access((place.public_url or place.local_url,), name, seed, ca=ca).encode()


def remove_worker(folder: Path, name: str) -> None:
    """Cut ``name`` off now and for good. Raises ``BrokerError`` where there is no such worker."""
    home = Folder.at(folder)
    with home.locked():
        workers = read_workers(home)
        left = [worker for worker in workers if worker.name != name]
        if len(left) == len(workers):
            known = ", ".join(worker.name for worker in workers) or "none"
            raise BrokerError(f"There is no worker {name}; added are: {known}.")
        _write(home, left)


def list_workers(folder: Path) -> list[Worker]:
    """Those that were added, oldest first."""
    return read_workers(Folder(folder.resolve()))


def _check(name: str, lanes: tuple[str, ...]) -> None:
    if not NAME.fullmatch(name) or name in OWN_USERS:
        raise BrokerError(
            f"{name[:40]!r} cannot be a worker's name: up to 31 small letters, digits and dashes, "
            f"a letter first, and none of {', '.join(OWN_USERS)}."
        )
    wrong = [lane for lane in lanes if not is_lane(lane)]
    if wrong:
        raise BrokerError(f"{wrong[0][:60]!r} is no lane; such are any, cuda, cuda80, sm90.")


def _authority(home: Folder, place: Place, own_ca: bool | None) -> str:
    """Ours, where the server itself ends the encryption of ``public_url``."""
    ours = place.tls or place.websocket_tls
    return read_authority(home) if ours and own_ca is not False else ""


def _write(home: Folder, workers: list[Worker]) -> None:
    rows = [
        {"name": w.name, "key": w.key, "lanes": list(w.lanes), "added_at": w.added_at}
        for w in workers
    ]
    home.write(WORKERS, {"workers": rows})
    reload(home)
