"""The connection comes back by itself, says why it cannot, and never speaks in the clear."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.errors import FlushTimeoutError

from compute.broker.access import Access
from compute.broker.certs import ensure_certificates
from compute.broker.folder import Folder
from compute.broker.keys import new_seed
from compute.jobs import connection
from compute.jobs.connection import ConnectionRefused, connect
from tests.fakes.broker import Broker, running_broker


@contextlib.asynccontextmanager
async def serving(scheme: str, port: int) -> AsyncIterator[Broker]:
    listen, public = f"0.0.0.0:{port}", f"{scheme}://localhost:{port}"
    async with running_broker(listen=listen, public_url=public) as broker:
        yield broker


def tls_of(client: Client) -> Any:
    transport: Any = client._transport
    return transport._io_writer.get_extra_info("ssl_object")


async def test_tls_1_3_with_our_own_authority(free_port: int) -> None:
    async with serving("tls", free_port) as broker:
        for access in (broker.worker("anna"), broker.bot, broker.local):
            async with broker.client(access) as client:
                assert tls_of(client).version() == "TLSv1.3"


async def test_a_websocket_behind_our_own_authority_carries_jobs(free_port: int) -> None:
    async with serving("wss", free_port) as broker, broker.client() as bot:
        js = bot.jetstream()
        await js.add_stream(name="KV_state", subjects=["$KV.state.>"])
        async with broker.client(broker.worker("anna")) as anna:
            await anna.jetstream().publish("$KV.state.anna.job", b"x" * 200_000)
        assert (await js.stream_info("KV_state")).state.messages == 1


async def test_a_websocket_behind_a_reverse_proxy_with_a_certificate_of_its_own(
    free_port: int, tmp_path: Path
) -> None:
    """The proxy ends the encryption; the token names no authority, the worker trusts its own."""
    proxy = Folder.at(tmp_path / "proxy")
    authority = ensure_certificates(proxy, ["localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(proxy.path / "server.pem", proxy.path / "server-key.pem")
    ends: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", free_port)
        for pair in ((reader, inner[1]), (inner[0], writer)):
            ends.add(asyncio.create_task(copy(*pair)))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    listen, public = f"127.0.0.1:{free_port}", f"wss://localhost:{port}"
    async with server, running_broker(listen=listen, public_url=public) as broker:
        access = broker.worker("anna")
        assert access.ca == ""
        trusting = dataclasses.replace(access, ca=authority)  # stands for the system's own
        async with broker.client(trusting) as client:
            assert client.is_connected
        await asyncio.gather(*ends)


@pytest.mark.parametrize("scheme", ["tls", "wss"])
async def test_another_authority_is_not_trusted(
    scheme: str, free_port: int, tmp_path: Path
) -> None:
    other = ensure_certificates(Folder.at(tmp_path), ["localhost"])
    async with serving(scheme, free_port) as broker:
        access = broker.worker("anna")
        for wrong in (other, ""):
            with pytest.raises(ConnectionRefused, match="is not trusted"):
                await connect(dataclasses.replace(access, ca=wrong))


async def test_a_certificate_for_another_host_is_not_trusted(free_port: int) -> None:
    listen, public = f"0.0.0.0:{free_port}", "tls://gpu.example.org:4222"
    async with running_broker(listen=listen, public_url=public) as broker:
        access = broker.worker("anna")
        assert access.urls == (public,)
        lured = dataclasses.replace(access, urls=(f"tls://127.0.0.2:{free_port}",))
        with pytest.raises(ConnectionRefused, match="is not trusted"):
            await connect(lured)


async def test_a_tls_address_is_never_spoken_to_in_the_clear() -> None:
    """Whoever sits between could remove the server's wish for TLS from its first line."""
    async with running_broker() as broker:
        access = broker.worker("anna")
        plain = dataclasses.replace(access, urls=(access.urls[0].replace("nats:", "tls:"),))
        with pytest.raises(ConnectionRefused, match="offers no encryption"):
            await connect(plain)


async def test_a_wrong_key_is_refused_at_once_and_in_words_without_it() -> None:
    async with running_broker() as broker:
        wrong = dataclasses.replace(broker.bot, seed=new_seed())
        with pytest.raises(ConnectionRefused, match="refuses the key of bot") as caught:
            await asyncio.wait_for(connect(wrong, patience_s=None), 20)
        assert wrong.seed not in str(caught.value)
        with pytest.raises(ConnectionRefused, match="refuses the key"):
            await asyncio.wait_for(connect(Access(broker.bot.urls)), 20)


@pytest.mark.parametrize("scheme", ["tls", "wss"])
async def test_a_wrong_key_is_told_also_where_the_servers_word_is_lost(
    scheme: str, free_port: int
) -> None:
    """Over TLS the server closes with our next word unread, and its own is mostly lost in that."""
    async with serving(scheme, free_port) as broker:
        wrong = dataclasses.replace(broker.worker("anna"), seed=new_seed())
        with pytest.raises(ConnectionRefused, match="refuses the key of anna"):
            await asyncio.wait_for(connect(wrong, patience_s=None), 20)


async def test_a_server_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    access = await asyncio.to_thread(broker.start)
    await asyncio.to_thread(broker.stop)
    with pytest.raises(ConnectionRefused, match="No queue answers"):
        await connect(access, patience_s=0.1)
    waiting = asyncio.create_task(connect(access, patience_s=None))
    try:
        await asyncio.sleep(0.05)
        await asyncio.to_thread(broker.start)
        client = await asyncio.wait_for(waiting, 20)
        assert client.is_connected
        await client.close()
    finally:
        await asyncio.to_thread(broker.stop)


async def test_giving_up_on_waiting_leaves_nothing_open(free_port: int) -> None:
    access = Access((f"nats://127.0.0.1:{free_port}",), seed=new_seed())
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(connect(access, patience_s=None))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == before


async def test_it_comes_back_after_kill_9_and_tells_both_ways(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    down, up = asyncio.Event(), asyncio.Event()

    async def is_up() -> None:
        up.set()

    async with running_broker() as broker:
        with caplog.at_level(logging.WARNING):
            client = await connect(broker.bot, on_down=down.set, on_up=is_up)
            subscription = await client.subscribe("bell.any")
            await asyncio.to_thread(broker.kill)
            await asyncio.wait_for(down.wait(), 10)
            await asyncio.to_thread(broker.start)
            await asyncio.wait_for(up.wait(), 10)
            await client.publish("bell.any", b"")
            await subscription.next_msg(timeout=5)
            await client.close()
    assert not caplog.records  # a line of ours at INFO, no trace of theirs
    assert capsys.readouterr().err == ""


async def test_a_long_outage_is_a_few_lines_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RETRY_S", 0.01)
    failed, up = asyncio.Semaphore(0), asyncio.Event()
    async with running_broker() as broker:
        client = await connect(broker.bot, on_up=up.set)
        heard = client._error_cb

        async def hear(error: Exception) -> None:
            await heard(error)
            failed.release()

        client._error_cb = hear
        with caplog.at_level(logging.INFO):
            await asyncio.to_thread(broker.kill)
            async with asyncio.timeout(30):
                for _ in range(20):
                    await failed.acquire()
            await asyncio.to_thread(broker.start)
            await asyncio.wait_for(up.wait(), 30)
        await client.close()
    assert 1 <= len([r for r in caplog.records if r.name == connection.__name__]) <= 6


async def test_what_hears_of_the_connection_may_fail_without_ending_it() -> None:
    def fails() -> None:
        raise RuntimeError

    up = asyncio.Event()
    async with running_broker() as broker:
        client = await connect(broker.bot, on_down=fails, on_up=up.set)
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
        await asyncio.wait_for(up.wait(), 10)
        await client.close()


async def test_a_key_removed_during_an_outage_ends_the_connection() -> None:
    closed = asyncio.Event()
    async with running_broker() as broker:
        client = await connect(broker.worker("anna"), on_closed=closed.set)
        await asyncio.to_thread(broker.kill)
        broker.remove("anna")
        await asyncio.to_thread(broker.start)
        await asyncio.wait_for(closed.wait(), 10)
        assert client.is_closed


async def test_answers_to_one_client_arrive_under_its_own_prefix() -> None:
    async with running_broker() as broker, broker.client(broker.worker("anna")) as client:
        assert client.new_inbox().startswith("_INBOX_anna.")


async def test_a_flush_is_answered_after_what_was_said_before_it() -> None:
    said: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload": 1048576}\r\n')
        while line := await reader.readline():
            said.append(line.split()[0])
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = await connect(Access((f"nats://127.0.0.1:{port}",), "bot", new_seed()))
        try:
            await client.subscribe("bell.any")
            await client.flush()
        finally:
            await client.close()
    assert said == [b"CONNECT", b"PING", b"SUB", b"PING"]


async def echoes(client: Client) -> bool:
    """Whether it still hears what it says."""
    heard = asyncio.Event()

    async def hear(_: Any) -> None:
        heard.set()

    await client.subscribe("echo", cb=hear)
    await client.publish("echo", b"")
    await asyncio.wait_for(heard.wait(), 30)
    return heard.is_set()


async def test_an_answer_that_comes_after_its_flush_was_given_up_harms_nothing() -> None:
    async with running_broker() as broker, broker.client() as client:
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            with pytest.raises(FlushTimeoutError):
                await client.flush(1)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        assert await echoes(client)
        assert client.stats["reconnects"] == 0


async def test_after_an_error_that_nobody_expects_it_connects_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    up = asyncio.Event()
    failing = [KeyError("odd")]
    async with running_broker() as broker:
        client = await connect(broker.bot, on_up=up.set)
        parse = client._ps.parse

        async def odd(data: bytes) -> None:
            if failing:
                raise failing.pop()
            await parse(data)

        try:
            monkeypatch.setattr(client._ps, "parse", odd)
            await client._send_ping()
            await asyncio.wait_for(up.wait(), 30)
            assert await echoes(client)
        finally:
            await client.close()
    assert "encountered error" in caplog.text and not failing
