"""What the embedded server keeps in ``<data_dir>/broker``: keys, workers, where it listens."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute.broker.keys import is_seed, new_seed

KEYS = "keys.json"
OWN_USERS = ("bot", "local", "sys")  # everything; the local worker; the server's own figures


class BrokerError(Exception):
    """The embedded server cannot be used; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Folder:
    """One embedded server's directory. Nothing in it is readable to others of the machine."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Folder:
        """Made if need be; resolved, so that one directory has one name. Raises ``BrokerError``."""
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BrokerError(f"{path} cannot be made ({error.strerror}).") from error
        return cls(path.resolve())

    @property
    def config(self) -> Path:
        """The server's configuration; its absolute path tells our process from any other."""
        return self.path / "nats.conf"

    @property
    def pid(self) -> Path:
        """Written by the server itself."""
        return self.path / "nats.pid"

    @property
    def log(self) -> Path:
        """The server's own log, two files of 5 MB at most."""
        return self.path / "nats.log"

    @property
    def store(self) -> Path:
        """Messages and buckets."""
        return self.path / "store"

    @property
    def server_name(self) -> str:
        """What the server calls itself: another directory, even a copy, has another name."""
        return "k2c-" + hashlib.sha256(str(self.path).encode()).hexdigest()[:16]

    def read(self, name: str) -> dict[str, Any]:
        """The JSON object in ``name``, empty where there is none. Raises ``BrokerError``."""
        try:
            found = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise BrokerError(f"{self.path / name} cannot be read ({error}).") from error
        if not isinstance(found, dict):
            raise BrokerError(f"{self.path / name} is not what was written there.")
        return found

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace ``name`` whole: a reader sees the old or the new."""
        self.write_text(name, json.dumps(content, indent=1))

    def write_text(self, name: str, text: str) -> None:
        """As ``write``, for text; readable to this user alone. Raises ``BrokerError``."""
        try:
            with tempfile.NamedTemporaryFile("w", dir=self.path, delete=False) as file:
                file.write(text)  # mkstemp makes it 0600
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, self.path / name)
        except OSError as error:
            raise BrokerError(
                f"{self.path / name} cannot be written ({error.strerror})."
            ) from error

    def seeds(self) -> dict[str, str]:
        """The private keys of our own users, made at the first call."""
        held = self.read(KEYS)
        found = {name: str(held[name]) if name in held else new_seed() for name in OWN_USERS}
        if not all(is_seed(seed) for seed in found.values()):
            raise BrokerError(f"{self.path / KEYS} is not what was written there.")
        if found != held:
            self.write(KEYS, found)
        return found

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time starts, stops or changes the server. Waits for the other.

        Raises ``BrokerError``.
        """
        path = self.path / "lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BrokerError(f"{path} cannot be opened ({error.strerror}).") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
