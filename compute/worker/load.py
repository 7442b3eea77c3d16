"""How busy the machine is: processors from the kernel, the GPU from one lasting nvidia-smi."""

from __future__ import annotations

import asyncio
import contextlib
import os

from compute.worker.post import ended


def cpu_load() -> float:
    """The load of the last minute for each core."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)


class GpuLoad:
    """``share`` is the GPU's busy share (0 to 1), None where that is not known.

    One nvidia-smi runs on and prints a line now and then: starting it anew for each card of
    presence would cost more than everything else a worker does while idle.
    """

    def __init__(self, gpu_uuid: str, every_s: float) -> None:
        self.share: float | None = None
        self._uuid = gpu_uuid
        self._every_s = max(1, round(every_s))
        self._reading = asyncio.create_task(self._read()) if gpu_uuid else None

    async def close(self) -> None:
        """End the reader and its program."""
        if self._reading is not None:
            await ended(self._reading)

    async def _read(self) -> None:
        query = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
        try:
            program = await asyncio.create_subprocess_exec(
                "nvidia-smi",
                *query,
                f"--id={self._uuid}",
                f"--loop={self._every_s}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return
        assert program.stdout is not None
        try:
            async for line in program.stdout:
                self.share = _share(line)
        finally:
            self.share = None
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()


def _share(line: bytes) -> float | None:
    try:
        return min(1.0, max(0.0, float(line) / 100))
    except ValueError:
        return None  # "[N/A]" on some cards
