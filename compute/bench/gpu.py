"""A CUDA GPU as a device: events in torch's current stream."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from compute.bench.device import Clocks, Lost, out_of_memory
from compute.bench.smi import Glances, read_clocks

FACTOR = 4
LEAST_FLUSH = 64 * 2**20
KEPT_SHARE = 0.9  # of free memory: the allocator and the driver keep some
SPIN_TRIES = 3
MOST_SPIN_S = 0.01
HANG_S = 120.0  # of waiting for what is timed in drains of seconds; a float64 product takes ten
BUSY_WAIT_S, POLL_S = 0.01, 2e-4
HUNG = "its work was not done after {0:.0f} s: a kernel hangs"


class CudaDevice:
    """The current GPU of this process."""

    kind = "cuda"

    def __init__(self) -> None:
        import torch

        self._torch: Any = torch
        # What an operator before this one gave back lies in torch's cache and not with the driver.
        gc.collect()
        torch.cuda.empty_cache()
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self.name = str(properties.name)
        self.sm = properties.major * 10 + properties.minor
        self.total_bytes = int(properties.total_memory)
        self.cache_bytes = int(properties.L2_cache_size)
        self.uuid = f"GPU-{properties.uuid}"
        self.memory_bytes = int(KEPT_SHARE * torch.cuda.mem_get_info()[0])
        self._flushes = 0
        self._lost = ""
        self._glances = Glances(self.clocks)

    def mark(self) -> Any:
        """An event, recorded now."""
        event = self._torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def elapsed_s(self, start: Any, end: Any) -> float:
        """Events tell milliseconds, with a resolution of about 0.5 us."""
        return float(start.elapsed_time(end)) / 1e3

    def synchronize(self) -> None:
        """Wait for all streams: work on another one would not be seen by the events. Not without
        end: a kernel that waits for itself would hold this process for ever.
        """
        if self._lost:
            raise Lost(self._lost)
        end = self._torch.cuda.Event()
        end.record()
        began = time.monotonic()
        while not end.query():
            waited_s = time.monotonic() - began
            if waited_s > HANG_S:
                self._lost = HUNG.format(HANG_S)
                raise Lost(self._lost)
            if waited_s > BUSY_WAIT_S:
                time.sleep(POLL_S)
        self._torch.cuda.synchronize()

    def lost(self) -> str:
        """What CUDA answers to a small piece of work, "" where it does it."""
        if not self._lost:
            try:
                self._torch.ones(1, device="cuda")
                self.synchronize()
            except Lost:
                pass
            except Exception as error:
                if not out_of_memory(error):
                    self._lost = f"{type(error).__name__}: {error}"
        return self._lost

    @cached_property
    def _buffer(self) -> Any:
        size = max(FACTOR * self.cache_bytes, LEAST_FLUSH)
        return self._torch.ones(size // 4, dtype=self._torch.float32, device="cuda")

    def flush(self) -> None:
        """Write another value each time (a constant may be compressed or skipped), then read."""
        self._flushes += 1
        self._buffer.fill_(float(self._flushes % 1000 + 1))
        self._buffer.sum()

    @cached_property
    def _cycles_per_s(self) -> float:
        """How long torch's spinning kernel takes, by events."""
        cycles = 2_000_000
        self._torch.cuda._sleep(cycles)
        times = []
        for _ in range(SPIN_TRIES):
            start = self.mark()
            self._torch.cuda._sleep(cycles)
            end = self.mark()
            self.synchronize()
            times.append(self.elapsed_s(start, end))
        return cycles / min(times)

    def spin(self, seconds: float) -> None:
        """A kernel that waits and touches no memory, so that the cache stays as it is."""
        if seconds > 0:
            self._torch.cuda._sleep(int(min(seconds, MOST_SPIN_S) * self._cycles_per_s))

    def capture(self, calls: Sequence[Callable[[], object]]) -> Callable[[], object] | None:
        """All ``calls`` in one graph. Raises ``RuntimeError`` for a call that waits for the GPU."""
        torch = self._torch
        # torch's own context leaves the stream of a capture that failed as the current one.
        with torch.cuda.stream(torch.cuda.current_stream()):
            return self._captured(calls)

    def _captured(self, calls: Sequence[Callable[[], object]]) -> Callable[[], object]:
        torch = self._torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        # A call that waits for the GPU is found here: a capture that fails by it leaves torch's
        # allocator capturing for ever (CUDAGraph::capture_end), which then gives no memory back.
        mode = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            with torch.cuda.stream(side):
                for call in calls:
                    call()
        finally:
            torch.cuda.set_sync_debug_mode(mode)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kept = [call() for call in calls]  # outputs live as long as the graph

        def replay() -> object:
            graph.replay()
            return kept

        return replay

    def peak_bytes(self, call: Callable[[], object]) -> int | None:
        """As torch's allocator counts, whose blocks are multiples of 512 bytes."""
        cuda = self._torch.cuda
        cuda.synchronize()
        before = int(cuda.memory_allocated())
        cuda.reset_peak_memory_stats()
        result = call()
        cuda.synchronize()
        del result
        return int(cuda.max_memory_allocated()) - before

    def clocks(self) -> Clocks:
        """As the driver reports them."""
        return read_clocks(self.uuid)

    def glance(self) -> None:
        """In a thread: nvidia-smi takes longer than most kernels."""
        self._glances.take()

    def seen(self) -> list[Clocks]:
        """Of all glances."""
        return self._glances.seen()

    def now_s(self) -> float:
        """The host's clock."""
        return time.perf_counter()
