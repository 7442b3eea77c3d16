"""Visitors of the pages who mean well, mean harm, are slow or leave in the middle.

Each says how it ended: ``answered`` (a status line of HTTP came), ``closed`` (the server ended
the connection without one), ``left`` (the visitor went away first) or ``hung``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

End = Literal["answered", "closed", "left", "hung"]

ANSWER_S = 30.0  # on a machine that does other things as well
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
RESULT = re.compile(rb'"id":"([A-Za-z0-9_-]{22})"')
SLOW_BYTES = 6  # one a second
HOST = "Host: 127.0.0.1\r\n"
CLOSE = "Connection: close\r\n"
JSON = "Content-Type: application/json\r\n"


def get(path: str, headers: str = CLOSE) -> bytes:
    """A GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\n{HOST}{headers}\r\n".encode()


def post(path: str, body: bytes, headers: str = JSON + CLOSE) -> bytes:
    """A POST as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\n{HOST}{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


TOOL = "/api/tools/throughput"
QUESTION = {"gpu": "h100", "model": "meta-llama/Llama-3.1-8B", "batch": 8, "input": 512}
CHUNKED = f"POST {TOOL} HTTP/1.1\r\n{HOST}{JSON}Transfer-Encoding: chunked\r\n"
HOSTILE: dict[str, bytes] = {
    "another host": b"GET / HTTP/1.1\r\nHost: evil.example\r\n" + CLOSE.encode() + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n" + CLOSE.encode() + b"\r\n",
    "another site's form": post("/", b"line=help", f"Origin: https://evil.example\r\n{CLOSE}"),
    "garbage": bytes(range(256)) * 8,
    "zeros": bytes(4000),
    "TLS": bytes.fromhex("16030100f5010000f10303") + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a long address": get("/" + "a" * 400_000),
    "a long query": get("/?line=" + "%20" * 40_000),
    "long headers": get("/", f"X: {'a' * 200_000}\r\n{CLOSE}"),
    "many headers": get("/", "".join(f"X{n}: 1\r\n" for n in range(20_000)) + CLOSE),
    "paths of the server": get("/static/..%2f..%2f..%2fetc/passwd"),
    "more paths": get("/static/1/....//....//etc%00passwd"),
    "a bad escape": get("/%zz%ff%00"),
    "an unknown method": b"HACK / HTTP/1.1\r\n" + (HOST + CLOSE).encode() + b"\r\n",
    "both lengths": f"{CHUNKED}Content-Length: 5\r\n\r\n0\r\n\r\n".encode(),
    "two lengths": post(TOOL, b"{}", f"{JSON}Content-Length: 9\r\n{CLOSE}"),
    "a negative length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n".encode(),
    "a bad chunk": f"{CHUNKED}\r\nzz\r\n{{}}\r\n0\r\n\r\n".encode(),
    "a huge chunk": f"{CHUNKED}\r\nffffffffffffffff\r\n{{}}\r\n".encode(),
    "a large body": post(TOOL, b'{"gpu":"' + b"x" * 700_000 + b'"}'),
    "a large body in chunks": (
        f"{CHUNKED}\r\n".encode() + (b"8000\r\n" + b"x" * 32768 + b"\r\n") * 20
    ),
    "deep JSON": post(TOOL, b"[" * 100_000),
    "deep options": post(TOOL, b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "infinity": post(TOOL, b'{"batch": 1e999, "gpu": "h100"}'),
    "no JSON": post(TOOL, b"\xff\xfe{"),
    "half a surrogate": post(TOOL, b'{"gpu": "\\ud800", "model": "\\udfff"}'),
    "bad gzip": post(TOOL, b"\x1f\x8bxx", f"{JSON}Content-Encoding: gzip\r\n{CLOSE}"),
    "a WebSocket": get("/", "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
    "a long line": post(
        "/", b"line=" + b"%F0%9F%98%80" * 9000,
        f"Content-Type: application/x-www-form-urlencoded\r\n{CLOSE}",
    ),
    "many fields": post(
        "/", b"&".join(b"f%d=1" % n for n in range(5000)),
        f"Content-Type: application/x-www-form-urlencoded\r\n{CLOSE}",
    ),
    "a guessed answer": get("/r/" + "A" * 22),
    "somebody's answer to delete": (
        f"DELETE /api/results/{'A' * 22} HTTP/1.1\r\n{HOST}{CLOSE}\r\n".encode()
    ),
}  # fmt: skip


@dataclass
class Visitors:
    """All of them; ``ends`` counts by kind and end."""

    port: int
    chance: random.Random
    ends: Counter[tuple[str, End]] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    known: list[str] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)

    async def one(self) -> None:
        """One visit of any kind."""
        kinds: tuple[tuple[str, Callable[[], Awaitable[End]]], ...] = (
            ("valid", self.valid), ("hostile", self.hostile), ("slow", self.slow),
            ("half closed", self.half_closed), ("gone", self.gone), ("many in one", self.several),
        )  # fmt: skip
        name, visit = self.chance.choices(kinds, (40, 30, 10, 8, 7, 5))[0]
        self.ends[name, await visit()] += 1

    async def valid(self) -> End:
        """What a person or a program asks for."""
        return await self._talk(self._request())

    async def hostile(self) -> End:
        """Anything else."""
        name = self.chance.choice(list(HOSTILE))
        end = await self._talk(HOSTILE[name])
        self.unanswered[f"{name}, {end}"] += end != "answered"
        return end

    async def slow(self) -> End:
        """A byte a second; some give up, some send the rest after all."""
        reader, writer = await self._connect()
        request = self.chance.choice((get("/"), post(TOOL, json.dumps(QUESTION).encode())))
        cut = self.chance.randrange(len(request) - SLOW_BYTES)
        writer.write(request[:cut])
        try:
            for byte in request[cut : cut + SLOW_BYTES]:
                await asyncio.sleep(1.0)
                writer.write(bytes((byte,)))
                await writer.drain()
            if self.chance.random() < 0.5:
                return "left"
            writer.write(request[cut + SLOW_BYTES :])
            return await self._answer(reader)
        except ConnectionError:
            return "closed"
        finally:
            await _close(writer)

    async def half_closed(self) -> End:
        """All is said, or half of it, and no more will come; the answer is waited for."""
        request = self._request()
        whole = self.chance.random() < 0.5
        reader, writer = await self._connect()
        writer.write(request if whole else request[: self.chance.randrange(len(request))])
        writer.write_eof()
        try:
            return await self._answer(reader)
        finally:
            await _close(writer)

    async def gone(self) -> End:
        """Cuts the connection as soon as it has asked."""
        _, writer = await self._connect()
        writer.write(self._request())
        await asyncio.sleep(self.chance.uniform(0, 0.05))
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return "left"

    async def several(self) -> End:
        """Requests in one connection, all sent before the first answer."""
        return await self._talk(get("/healthz", "") * 5 + get("/"))

    def _request(self) -> bytes:
        question = QUESTION | {"input": self.chance.randrange(100, 4000)}
        requests = [
            get("/"), get("/api/tools"), get("/api/openapi.json"), get("/tools/throughput"),
            get("/api/suggest?command=throughput&option=model&text=llama"),
            post("/", b"line=/throughput gpu:h100 model:llama-3.1-8b",
                 f"Content-Type: application/x-www-form-urlencoded\r\n{CLOSE}"),
            *(post(TOOL, json.dumps(question).encode()) for _ in range(4)),
        ]  # fmt: skip
        for result_id in self.known[-3:]:
            requests += [get(f"/r/{result_id}{end}") for end in ("", ".json", "/chart.png")]
        return self.chance.choice(requests)

    async def _talk(self, request: bytes) -> End:
        reader, writer = await self._connect()
        try:
            writer.write(request)
            return await self._answer(reader)
        finally:
            await _close(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def _answer(self, reader: asyncio.StreamReader) -> End:
        got = b""
        try:
            async with asyncio.timeout(ANSWER_S):
                while piece := await reader.read(65_536):
                    got += piece
        except TimeoutError:
            if not got:
                return "hung"
        except ConnectionError:
            pass
        self.statuses.update(int(s) for s in STATUS.findall(got))
        self.known += [m.decode() for m in RESULT.findall(got)]
        return "answered" if STATUS.match(got) else "closed"


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
