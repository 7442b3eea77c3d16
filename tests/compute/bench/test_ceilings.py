from __future__ import annotations

from pathlib import Path

import pytest

from compute.bench.ceilings import Ceilings
from compute.bench.cpu import CpuDevice, last_cache_bytes
from compute.bench.result import Ceiling
from tests.compute.kernels.finding import need_worker_packages

pytestmark = pytest.mark.slow


def test_a_ceiling_is_measured_once_in_ten_minutes() -> None:
    now = [0.0]
    kept = Ceilings(clock=lambda: now[0])
    counted: list[float] = []

    def measured() -> Ceiling:
        counted.append(now[0])
        return Ceiling(kind="copy", value=1.0, what="")

    device = CpuDevice(2**28)
    for at in (0.0, 599.0, 601.0):
        now[0] = at
        kept._get(device, "copy", measured)
    assert counted == [0.0, 601.0]


def test_a_copy_and_a_product_of_this_machine() -> None:
    need_worker_packages()
    device = CpuDevice(2**28)
    kept = Ceilings()
    copy = kept.copy(device)
    assert copy.value > 0.1 and "67.1 MB" in copy.what
    product = kept.matmul(device, "float32")
    assert product is not None and product.value > 1e-4


def test_the_last_cache_is_read_from_the_machine(tmp_path: Path) -> None:
    for name, text in (("index0", "32K"), ("index3", "36M")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "size").write_text(text)
    assert last_cache_bytes(tmp_path) == 36 * 2**20
    assert last_cache_bytes(tmp_path / "nothing") == 32 * 2**20
