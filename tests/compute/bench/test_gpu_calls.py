"""What the CUDA device asks of torch, on a torch that only writes it down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from compute.bench.gpu import CudaDevice
from tests.compute.bench.test_losing import FakeCuda


class Streams(FakeCuda):
    """Streams and graphs as torch has them: a capture that fails leaves its stream behind."""

    def __init__(self) -> None:
        super().__init__()
        self.current = "main"
        self.mode: str | int = 0
        self.captures = 0

    def get_sync_debug_mode(self) -> str | int:
        return self.mode

    def set_sync_debug_mode(self, mode: str | int) -> None:
        self.mode = mode

    def current_stream(self) -> Any:
        return SimpleNamespace(name=self.current, wait_stream=lambda other: None)

    def Stream(self) -> Any:
        return SimpleNamespace(name="side", wait_stream=lambda other: None)

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream.name
        try:
            yield
        finally:
            self.current = before

    def CUDAGraph(self) -> Any:
        return SimpleNamespace(replay=lambda: None)

    @contextmanager
    def graph(self, graph: Any) -> Iterator[None]:
        before, self.current = self.current, "capture"
        self.captures += 1
        yield  # where a call fails, so does the end of the capture, before the stream is set
        self.current = before


def device_on(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> CudaDevice:
    torch = SimpleNamespace(cuda=cuda, ones=lambda *a, **k: None)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return CudaDevice()


def test_memory_that_torch_keeps_from_before_counts_as_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = FakeCuda()
    cuda.cached = 70 * 2**30
    monkeypatch.setattr(cuda, "empty_cache", lambda: setattr(cuda, "cached", 0), raising=False)
    assert device_on(cuda, monkeypatch).memory_bytes > 70 * 2**30


def test_a_call_that_waits_for_the_gpu_is_found_before_its_capture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = Streams()
    device = device_on(cuda, monkeypatch)

    def reads_a_size() -> None:
        if cuda.mode == "error":
            raise RuntimeError("called a synchronizing CUDA operation")

    with pytest.raises(RuntimeError, match="synchronizing"):
        device.capture([reads_a_size])
    assert cuda.captures == 0 and cuda.mode == 0 and cuda.current == "main"


def test_a_capture_that_fails_leaves_the_stream_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Streams()
    device = device_on(cuda, monkeypatch)

    def waits() -> None:
        if cuda.current == "capture":
            raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="capturing"):
        device.capture([waits])
    assert cuda.current == "main"
    assert device.capture([lambda: None]) is not None
