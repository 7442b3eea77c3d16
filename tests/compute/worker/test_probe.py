"""A machine is what it says of itself, with and without a GPU."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compute.jobs.lanes import lanes_of
from compute.worker.load import GpuLoad, cpu_load
from compute.worker.probe import gpu_key, one_line, probe
from compute.worker.sandbox import environment
from compute.worker.watch import runs
from tests.compute.worker.processes import until

CARDS = """0, GPU-aaaa, NVIDIA H100 80GB HBM3, 81559, 580.65.06, 9.0
1, GPU-bbbb, NVIDIA L4, 23034, 580.65.06, 8.9
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that prints the cards, and a line of load each time it is asked to go on."""
    script = tmp_path / "nvidia-smi"
    (tmp_path / "cards").write_text(CARDS)
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *--loop*) echo $$ >{tmp_path}/pid; echo 37; exec sleep 60;; esac\n'
        f"cat {tmp_path}/cards\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("compute.worker.probe.importlib.util.find_spec", lambda name: None)


def test_a_card_is_read_from_its_driver(driver: Path) -> None:
    machine = probe({})
    assert (machine.gpu, machine.gpu_uuid, machine.sm) == ("NVIDIA H100 80GB HBM3", "GPU-aaaa", 90)
    assert (machine.memory_gib, machine.driver, machine.gpu_key) == (79.65, "580.65.06", "H100-SXM")
    assert lanes_of(machine)[0] == "gpu-h100-sxm"
    assert one_line(machine) == "H100 80GB HBM3, 80 GiB"


@pytest.mark.parametrize("visible", ["1", "1,0", "GPU-bbbb"])
def test_the_first_card_that_may_be_used_is_taken(driver: Path, visible: str) -> None:
    assert probe({"CUDA_VISIBLE_DEVICES": visible}).gpu_key == "L4"


def test_among_different_cards_the_first_is_the_one_that_cuda_counts_first(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compute.worker.probe._from_torch", lambda: {"gpu_uuid": "GPU-bbbb"})
    assert probe({}).gpu_uuid == "GPU-bbbb"
    assert probe({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}).gpu_uuid == "GPU-aaaa"
    assert probe({"CUDA_VISIBLE_DEVICES": "GPU-aaaa"}).gpu_uuid == "GPU-aaaa"


def test_a_part_of_a_card_keeps_its_own_name_for_the_child(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"gpu": "NVIDIA H100 MIG 3g.40gb", "gpu_uuid": "GPU-aaaa", "memory_gib": 39.5, "sm": 90}
    monkeypatch.setattr("compute.worker.probe._from_torch", lambda: found)
    machine = probe({"CUDA_VISIBLE_DEVICES": "MIG-1111"})
    assert machine.gpu_uuid == "MIG-1111" and machine.memory_gib == 39.5
    assert environment({}, machine, Path("/tmp"))["CUDA_VISIBLE_DEVICES"] == "MIG-1111"
    monkeypatch.setattr("compute.worker.probe._from_torch", dict)
    assert probe({"CUDA_VISIBLE_DEVICES": "MIG-2222"}).sm == 0


@pytest.mark.parametrize("visible", ["", "-1"])
def test_hidden_cards_are_no_cards(driver: Path, visible: str) -> None:
    assert probe({"CUDA_VISIBLE_DEVICES": visible}).sm == 0


@pytest.mark.parametrize("text", ["", "garbage\n", "0, GPU-a, X, [N/A], 1, [N/A]\n", "1,2\n"])
def test_an_answer_that_makes_no_sense_is_no_card(
    driver: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("compute.worker.probe.importlib.util.find_spec", lambda name: None)
    (driver / "cards").write_text(text)
    assert probe({}).sm == 0


@pytest.mark.usefixtures("no_driver")
def test_a_machine_without_a_card_serves_any() -> None:
    machine = probe({})
    assert (machine.sm, machine.gpu, machine.gpu_uuid) == (0, "", "")
    assert machine.cores >= 1 and machine.host_gib > 0.1 and machine.cpu
    assert lanes_of(machine) == ("any",)
    assert one_line(machine).startswith("no GPU, ")


def test_reading_the_machine_never_imports_torch() -> None:
    code = "import sys; from compute.worker.probe import probe; probe({}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "compute.worker.probe" in done.stdout.split() and "torch" not in done.stdout.split()


@pytest.mark.parametrize(
    ("name", "memory_gib", "key"),
    [
        ("NVIDIA H100 PCIe", 79.6, "H100-PCIe"),
        ("NVIDIA H100 NVL", 93.6, "H100-NVL"),
        ("NVIDIA H200", 140.4, "H200-SXM"),
        ("NVIDIA GH200 480GB", 95.6, "GH200-96GB"),
        ("NVIDIA B200", 179.1, "B200-SXM"),
        ("NVIDIA A100-SXM4-80GB", 79.25, "A100-SXM-80GB"),
        ("NVIDIA A100 80GB PCIe", 79.25, "A100-PCIe-80GB"),
        ("NVIDIA A100-PCIE-40GB", 39.4, "A100-PCIe-40GB"),
        ("Tesla T4", 15.0, "T4"),
        ("Tesla V100-SXM2-32GB", 31.7, "V100-SXM-32GB"),
        ("Tesla V100-SXM2-16GB", 15.8, ""),
        ("NVIDIA GeForce RTX 4090", 23.99, "RTX-4090"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 15.99, ""),
        ("NVIDIA GeForce RTX 4060 Ti", 7.99, ""),
        ("NVIDIA RTX 6000 Ada Generation", 47.98, "RTX-6000-Ada"),
        ("NVIDIA GB10", 119.7, "DGX-Spark-GB10"),
        ("", 0.0, ""),
        ("A card nobody has heard of", 24.0, ""),
    ],
)
def test_the_drivers_name_leads_to_the_catalogue(name: str, memory_gib: float, key: str) -> None:
    assert gpu_key(name, memory_gib) == key


async def test_the_gpus_load_comes_from_one_lasting_program(driver: Path) -> None:
    load = GpuLoad("GPU-aaaa", 1.0)
    await until(lambda: load.share == 0.37)
    pid = int((driver / "pid").read_text())
    await load.close()
    assert load.share is None
    assert not runs(pid)


async def test_without_a_driver_the_load_is_unknown(no_driver: None) -> None:
    load = GpuLoad("GPU-aaaa", 1.0)
    await asyncio.sleep(0.05)
    assert load.share is None
    await load.close()
    assert cpu_load() >= 0
