"""Adding a worker gives one token; wrong names and lanes are sentences; removing is for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from compute.broker.access import Access
from compute.broker.folder import BrokerError
from compute.broker.keys import public_key
from compute.broker.workers import add_worker, list_workers, remove_worker
from tests.fakes.broker import Broker, running_broker


async def test_a_token_holds_all_that_a_worker_needs_and_the_server_keeps_no_private_key(
    tmp_path: Path,
) -> None:
    async with running_broker(tmp_path / "broker") as broker:
        access = broker.worker("anna", "any", "cuda80-sm90", "any")
        assert access.urls == broker.bot.urls and access.name == "anna"
        [worker] = list_workers(tmp_path / "broker")
        assert (worker.name, worker.lanes) == ("anna", ("any", "cuda80-sm90"))
        assert worker.key == public_key(access.seed) and worker.added_at > 1.7e9
        kept = [p for p in (tmp_path / "broker").glob("*") if p.is_file()]
        assert not any(access.seed.encode() in path.read_bytes() for path in kept)


@pytest.mark.parametrize("name", ["", "Anna", "-a", "1a", "a.b", "a b", "a>", "a" * 32, "bot"])
async def test_a_wrong_name_is_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="worker's name"):
        add_worker(tmp_path, name, [])


async def test_what_cannot_be_added_or_removed_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="k2c up"):
        add_worker(tmp_path / "none", "anna", [])
    async with running_broker(tmp_path / "broker") as broker:
        with pytest.raises(BrokerError, match="'gpus' is no lane"):
            broker.worker("anna", "gpus")
        broker.worker("anna")
        with pytest.raises(BrokerError, match="already"):
            broker.worker("anna")
        with pytest.raises(BrokerError, match="no worker berta; added are: anna"):
            broker.remove("berta")
        broker.remove("anna")
        with pytest.raises(BrokerError, match="added are: none"):
            broker.remove("anna")


def test_a_worker_added_while_the_server_is_down_is_known_when_it_is_up(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    broker.start()
    broker.stop()
    try:
        broker.worker("anna")
        broker.worker("berta")
        remove_worker(tmp_path / "broker", "berta")
        broker.start()
        assert [worker.name for worker in list_workers(broker.folder)] == ["anna"]
    finally:
        broker.stop()


@pytest.mark.parametrize(
    ("listen", "public", "url", "authority"),
    [
        ("0.0.0.0:{port}", "tls://localhost:{port}", "tls://localhost:{port}", True),
        ("0.0.0.0:{port}", "wss://localhost:{port}", "wss://localhost:{port}", True),
        ("127.0.0.1:{port}", "wss://gpu.example.org", "wss://gpu.example.org", False),
    ],
)
async def test_a_token_carries_the_public_address_and_our_authority_where_it_counts(
    listen: str, public: str, url: str, authority: bool, free_port: int
) -> None:
    listen, public, url = (text.format(port=free_port) for text in (listen, public, url))
    async with running_broker(listen=listen, public_url=public) as broker:
        access = broker.worker("anna")
        assert access.urls == (url,) and bool(access.ca) is authority
        without = Access.decode(add_worker(broker.folder, "berta", own_ca=False))
        assert without.ca == ""


async def test_without_a_public_address_a_server_for_everyone_gives_no_token(
    free_port: int,
) -> None:
    async with running_broker(listen=f"0.0.0.0:{free_port}") as broker:
        with pytest.raises(BrokerError, match="K2C_NATS_PUBLIC_URL"):
            broker.worker("anna")
