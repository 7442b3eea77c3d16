"""What the driver is asked for when a CUDA kernel is launched, written down by a fake one: cubins,
shared memory, tensor maps and every parameter by value.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compute.kernels.finding import need_worker_packages
from tests.needs import require_or_skip

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
DRIVER = ROOT / "tests" / "fakes" / "cuda_driver" / "driver.cpp"
Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the fake libcuda."""
    need_worker_packages()
    if shutil.which("g++") is None:
        require_or_skip("g++ is not installed; it compiles the fake driver")
    folder = tmp_path_factory.mktemp("driver")
    command = ["g++", "-std=c++17", "-shared", "-fPIC", str(DRIVER), "-o", "libcuda.so.1"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def launched(library: Path, log: Path, shared_bytes: int) -> tuple[dict[str, Any], Lines]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("K2C_", "TRITON"))}
    environment |= {"LD_LIBRARY_PATH": str(library), "FAKE_CUDA_LOG": str(log)}
    environment["FAKE_CUDA_PARAMETERS"] = "128 8 4 8 4"
    done = subprocess.run(
        [sys.executable, "-m", "tests.compute.kernels.launched", str(shared_bytes)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = log.read_text(encoding="utf-8").splitlines()
    return json.loads(done.stdout), [json.loads(line) for line in written]


def test_the_driver_gets_every_parameter_by_value_on_torchs_stream(
    library: Path, tmp_path: Path
) -> None:
    mine, lines = launched(library, tmp_path / "log", 200_000)
    assert mine["error"] == ""
    launches = [line for line in lines if "grid" in line]
    assert len(launches) == 2, "an empty grid launches nothing"
    one = launches[0]
    assert one["known"] and one["stream"] == 0x77
    assert (one["grid"], one["block"], one["shared"]) == ([3, 2, 1], [128, 1, 1], 200_000)
    a_map, y, n, far, by = map(bytes.fromhex, one["parameters"])
    assert a_map == b"\x5a" * 128, "as the driver encoded it"
    assert struct.unpack("<Q", y) == (mine["y"],)
    assert (*struct.unpack("<i", n), *struct.unpack("<q", far)) == (5, -7)
    assert struct.unpack("<f", by) == (1.5,)


def test_a_kernel_is_loaded_and_its_map_encoded_once(library: Path, tmp_path: Path) -> None:
    mine, lines = launched(library, tmp_path / "log", 200_000)
    assert ["fill" in line["loaded"] for line in lines if "loaded" in line] == [True]
    (encoded,) = [line for line in lines if "map" in line]
    bfloat16, swizzle_128 = 9, 3  # CUtensorMapDataType, CUtensorMapSwizzle
    assert encoded["map"] == mine["x"]
    assert (encoded["type"], encoded["swizzle"]) == (bfloat16, swizzle_128)
    assert (encoded["sizes"], encoded["strides"]) == ([70, 100], [144])
    assert (encoded["box"], encoded["steps"]) == ([64, 32], [1, 1])


def encoding(library: Path, log: Path, program: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"LD_LIBRARY_PATH": str(library), "FAKE_CUDA_LOG": str(log)}
    program = f"import torch\nfrom compute.kernels.build.tensor_maps import matrix_map\n{program}"
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )


def test_every_map_is_encoded_at_a_multiple_of_64_bytes(library: Path, tmp_path: Path) -> None:
    program = (
        "x = torch.zeros(64, 64)\n"
        "print(len({matrix_map(x, n, 64, 64, (32, 32)).driver_bytes() for n in range(1, 65)}))"
    )
    done = encoding(library, tmp_path / "log", program)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_a_map_that_the_driver_refuses_is_a_sentence(library: Path, tmp_path: Path) -> None:
    program = "matrix_map(torch.zeros(64, 512), 64, 512, 512, (512, 32)).driver_bytes()"
    said = "the driver refuses a tensor map of (512, 64) in boxes of (512, 32): CUDA_ERROR_INVALID"
    assert said in encoding(library, tmp_path / "log", program).stderr


def test_only_more_than_48_kib_of_shared_memory_has_to_be_allowed(
    library: Path, tmp_path: Path
) -> None:
    _, lines = launched(library, tmp_path / "much", 200_000)
    most_dynamic_shared = 8  # CUfunction_attribute
    (asked,) = [line for line in lines if "attribute" in line]
    assert asked == {"attribute": most_dynamic_shared, "value": 200_000, "device": 0}
    _, lines = launched(library, tmp_path / "little", 48 * 1024)
    assert [line for line in lines if "attribute" in line] == []


def test_more_shared_memory_than_a_block_may_have_is_a_sentence(
    library: Path, tmp_path: Path
) -> None:
    mine, lines = launched(library, tmp_path / "log", 300_000)
    assert mine["error"] == "this GPU gives no block 300000 bytes of shared memory"
    assert [line for line in lines if "grid" in line] == []
