"""Requests in a process of their own: what one kernel does to CUDA, the next operator is spared.

``python -m compute.bench.apart`` reads a request a line and answers in lines of JSON: ``partial``
results as rows come, last ``result`` or ``refused``. An illegal address, a trap or a kernel that
hangs ends the process and not the suite, which goes on in a new one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from typing import Any, Protocol

from compute.bench.request import BenchRequest
from compute.bench.result import BenchResult
from compute.tool import Refused, Result

MOST_LINE = 64 * 2**20
COMMAND = (sys.executable, "-m", "compute.bench.apart")
SLOW = "its process had no answer after {0:.0f} s and was ended"
DIED = "its process ended without an answer ({0})"


class Listener(Protocol):
    """Who is shown rows as they come."""

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        """Say how far the work is, with what is known so far."""


class Apart:
    """One process at a time, replaced when it is lost. ``close`` at the end."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, request: BenchRequest, listener: Listener, limit_s: float) -> BenchResult:
        """The result; what was known of it where the process was lost. Raises ``Refused``."""
        known: list[BenchResult] = []
        try:
            async with asyncio.timeout(limit_s):
                result = await self._asked(request, listener, known)
        except TimeoutError:
            result = _rest(known, SLOW.format(limit_s))
        except ConnectionError as error:
            result = _rest(known, str(error))
        if result.lost:
            await self.close()
        return result

    async def close(self) -> None:
        """End the process."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None

    async def _asked(
        self, request: BenchRequest, listener: Listener, known: list[BenchResult]
    ) -> BenchResult:
        process = self._process = self._process or await self._started()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(request.model_dump_json().encode() + b"\n")
        await process.stdin.drain()
        while line := await process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            if "refused" in answer:
                raise Refused(answer["refused"])
            result = BenchResult.model_validate(answer.get("result") or answer["partial"])
            if "result" in answer:
                return result
            known[:] = [result]
            await listener.progress(0.0, "", result)
        raise ConnectionError(DIED.format(await process.wait()))

    async def _started(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MOST_LINE,
        )


def _rest(known: list[BenchResult], why: str) -> BenchResult:
    """What a lost process had told. Raises ``Refused`` where that was nothing."""
    if not known:
        raise Refused(f"{why[0].upper()}{why[1:]}.")
    return known[-1].model_copy(update={"lost": why})


class _Answers:
    """The context of a run here: rows to the parent, files nowhere."""

    hub_endpoint = ""
    holds_card = True  # the suite does, from its first operator to its last

    def __init__(self, fd: int) -> None:
        self._out = os.fdopen(fd, "w", encoding="utf-8")

    def send(self, **answer: Any) -> None:
        self._out.write(json.dumps(answer) + "\n")
        self._out.flush()

    async def fetch(self, url: str, *, limit_bytes: int) -> bytes:
        raise LookupError(url)

    async def progress(self, fraction: float, words: str, partial: Result | None = None) -> None:
        if partial is not None:
            self.send(partial=partial.model_dump(mode="json"))

    async def keep(self, name: str, media_type: str, content: bytes) -> None:
        return


def main() -> int:
    """Answer requests until there are no more; a fault of ours is told, and ends this process."""
    from compute.bench.tool import run

    answers = _Answers(os.dup(1))
    os.dup2(2, 1)  # what libraries print is no answer
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            request = BenchRequest.model_validate_json(line)
            try:
                result = runner.run(run(request, answers, static=False))
            except Refused as refused:
                answers.send(refused=refused.message)
                continue
            except Exception:
                traceback.print_exc()
                os._exit(1)
            answers.send(result=result.model_dump(mode="json"))
            if result.lost:
                os._exit(0)  # CUDA's own end would wait for a kernel that hangs
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
