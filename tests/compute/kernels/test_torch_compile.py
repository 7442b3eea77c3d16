"""torch.compile as a way to compute an operator."""

from __future__ import annotations

import os
from typing import Any

import pytest

from compute.kernels.build.torch_compile import compiled_of
from tests.compute.kernels.finding import need_worker_packages


def test_no_pool_of_processes_is_started_to_compile_one_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need_worker_packages()
    import torch

    asked: list[dict[str, Any]] = []

    def compile_(function: Any, **how: Any) -> Any:
        asked.append({**how, "threads": os.environ["TORCHINDUCTOR_COMPILE_THREADS"]})
        return function

    monkeypatch.setattr(torch, "compile", compile_)
    monkeypatch.delenv("TORCHINDUCTOR_COMPILE_THREADS", raising=False)
    run = compiled_of(lambda x: x + 1)
    assert [run(x=1), run(x=2)] == [2, 3]
    (how,) = asked
    assert how["threads"] == "1" and how["dynamic"] is False
    monkeypatch.delenv("TORCHINDUCTOR_COMPILE_THREADS")
