"""A NATS server that is not ours, its accounts in signed tokens (JWT), as clusters have them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nkeys
import pytest

from compute.broker.access import access_of
from compute.broker.certs import ensure_certificates
from compute.broker.folder import Folder
from compute.broker.process import find_binary, greeting
from compute.jobs.connection import ConnectionRefused, connect
from compute.jobs.streams import ensure_streams
from compute.jobs.subjects import Timing

ALGORITHM = "ed25519-nkey"
PLAIN = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
STORES = ("mem_storage", "disk_storage", "streams", "consumer")


@dataclass
class Key:
    """A key pair of one kind, which signs claims about others."""

    pair: Any
    seed: str
    public: str

    @classmethod
    def new(cls, kind: int) -> Key:
        seed = nkeys.encode_seed(os.urandom(32), kind)
        pair = nkeys.from_seed(bytearray(seed))
        return cls(pair, seed.decode(), pair.public_key.decode())

    def sign(self, subject: Key, kind: str, **claims: Any) -> str:
        """NATS's JWT: what this key says of ``subject``."""
        body = {
            "jti": os.urandom(8).hex(),
            "iat": int(time.time()),
            "iss": self.public,
            "sub": subject.public,
            "name": kind,
            "nats": {"type": kind, "version": 2, **claims},
        }
        parts = [_text(json.dumps(x).encode()) for x in ({"typ": "JWT", "alg": ALGORITHM}, body)]
        signed = ".".join(parts)
        return f"{signed}.{_text(bytes(self.pair.sign(signed.encode())))}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class Existing:
    """Where it listens, and files as an operator would hand them out."""

    url: str
    ca: Path
    good: Path
    strange: Path


@pytest.fixture
async def existing(tmp_path: Path, free_port: int) -> AsyncIterator[Existing]:
    home = Folder.at(tmp_path / "tls")
    ensure_certificates(home, ["localhost", "127.0.0.1"])
    operator = Key.new(nkeys.PREFIX_BYTE_OPERATOR)
    system, account = Key.new(nkeys.PREFIX_BYTE_ACCOUNT), Key.new(nkeys.PREFIX_BYTE_ACCOUNT)
    plain = {**dict.fromkeys(PLAIN, -1), "wildcards": True}
    stores = {**plain, **dict.fromkeys(STORES, -1)}
    said = {
        "host": "127.0.0.1",
        "port": free_port,
        "jetstream": {"store_dir": str(tmp_path / "store")},
        "tls": {"cert_file": str(home.path / "server.pem"),
                "key_file": str(home.path / "server-key.pem")},
        "operator": operator.sign(operator, "operator"),
        "system_account": system.public,
        "resolver": "MEMORY",
        "resolver_preload": {
            system.public: operator.sign(system, "account", limits=plain),
            account.public: operator.sign(account, "account", limits=stores),
        },
    }  # fmt: skip
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in said.items())
    home.write_text("nats.conf", text)
    binary, _ = find_binary()
    server = await asyncio.create_subprocess_exec(
        str(binary), "-c", str(home.config), "-l", str(home.log)
    )
    try:
        async with asyncio.timeout(10):
            while await asyncio.to_thread(greeting, "127.0.0.1", free_port) is None:
                assert server.returncode is None, home.log.read_text()
                await asyncio.sleep(0.02)
        yield Existing(
            f"tls://localhost:{free_port}",
            home.path / "ca.pem",
            _creds(tmp_path / "good.creds", account),
            _creds(tmp_path / "strange.creds", Key.new(nkeys.PREFIX_BYTE_ACCOUNT)),
        )
    finally:
        server.kill()
        await server.wait()


def _creds(path: Path, account: Key) -> Path:
    user = Key.new(nkeys.PREFIX_BYTE_USER)
    token = account.sign(user, "user", subs=-1, data=-1, payload=-1)
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    return path


async def test_the_same_connection_works_with_credentials_and_an_authority(
    existing: Existing,
) -> None:
    access = access_of(existing.url, str(existing.good), str(existing.ca))
    client = await connect(access)
    try:
        await ensure_streams(client.jetstream(), Timing())
        assert (await client.jetstream().publish("jobs.any.job", b"x")).seq == 1
    finally:
        await client.close()


async def test_credentials_of_another_account_are_refused(existing: Existing) -> None:
    access = access_of(existing.url, str(existing.strange), str(existing.ca))
    with pytest.raises(ConnectionRefused, match="refuses the key of bot"):
        await connect(access)


async def test_without_its_authority_it_is_not_trusted(existing: Existing) -> None:
    with pytest.raises(ConnectionRefused, match="is not trusted"):
        await connect(access_of(existing.url, str(existing.good)))
