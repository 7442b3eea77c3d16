"""What this machine is, read from the machine: nvidia-smi, installed packages, /proc.

torch is never imported here. Where nvidia-smi is missing and torch is not, a process of its own
asks torch.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from compute.jobs.job import Machine
from content.gpus import load_gpus

GIB = 2**30
DEVICES = ("/dev/nvidiactl", "/dev/dxg")  # the driver's; the second is WSL's
ASK_S = 30.0  # a driver without its persistence daemon takes seconds to wake the card
FIELDS = ("index", "uuid", "name", "memory.total", "driver_version", "compute_cap")
MIG = "MIG-"
ASK_TORCH = """
import json, torch
if torch.cuda.is_available():
    p = torch.cuda.get_device_properties(0)
    print(json.dumps({"gpu": p.name, "gpu_uuid": "GPU-" + str(getattr(p, "uuid", "")),
        "memory_gib": p.total_memory / 2**30, "sm": p.major * 10 + p.minor}))
"""


def probe(environ: Mapping[str, str] = os.environ) -> Machine:
    """This machine, with the first GPU that CUDA_VISIBLE_DEVICES lets it use."""
    by_bus = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    facts = _gpu(environ.get("CUDA_VISIBLE_DEVICES"), by_bus)
    if facts:
        facts["gpu_key"] = gpu_key(str(facts["gpu"]), float(str(facts["memory_gib"])))
    return Machine.model_validate(
        facts
        | {
            "torch": _version("torch"),
            "triton": _version("triton"),
            "cuda": _cuda(),
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
            "host_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        }
    )


def gpu_key(name: str, memory_gib: float) -> str:
    """The catalogue's key for a name as the driver gives it, "" for a card it does not have.

    The driver says "NVIDIA H100 80GB HBM3" or "NVIDIA A100 80GB PCIe" where people say "H100 SXM"
    and "A100 PCIe 80GB". What is found must also have that memory (a laptop's 4090 has not).
    """
    catalogue = load_gpus()
    for candidate in _spellings(name):
        found = catalogue.find(candidate)
        if found and _fits(found.mem_gb, memory_gib):
            return found.key
    base = (_spellings(name)[0].split() or [""])[0]
    same = [g.key for g in catalogue if g.key.startswith(f"{base}-") and base]
    same = [key for key in same if (g := catalogue.find(key)) and _fits(g.mem_gb, memory_gib)]
    return same[0] if len(same) == 1 else ""


def _spellings(name: str) -> list[str]:
    plain = re.sub(r"^(NVIDIA|Tesla)\s+|\s+(Generation|(Workstation|Server) Edition)$", "", name)
    plain = re.sub(r"(?i)\b(SXM|PCIe)\d?\b", r" \1 ", plain.replace("-", " "))
    words = plain.split()
    memory = [w for w in words if re.fullmatch(r"\d+GB", w)]
    base = [w for w in words if w not in memory and not re.fullmatch(r"HBM\d\w*", w)]
    form = [] if any(w.upper() in ("SXM", "PCIE", "NVL") for w in base) else ["SXM"]
    options = (words, [*base, *memory], base, [*base, *form])
    return [" ".join(option) for option in options]


def _fits(catalogue_gib: float, shown_gib: float) -> bool:
    return 0.9 * catalogue_gib <= shown_gib <= 1.05 * catalogue_gib


def one_line(machine: Machine) -> str:
    """The machine in a few words, for a terminal."""
    if not machine.sm:
        return f"no GPU, {machine.cores} cores, {machine.host_gib:.0f} GiB"
    return f"{machine.gpu.removeprefix('NVIDIA ')}, {machine.memory_gib:.0f} GiB"


def _gpu(visible: str | None, by_bus: bool) -> dict[str, object]:
    if visible is not None and visible.strip() in ("", "-1"):
        return {}  # CUDA's way to hide every GPU
    first = (visible or "0").split(",")[0].strip()
    if first.startswith(MIG):
        # The part of a card that this process sees; a child sees none under the card's own name.
        facts = _from_torch()
        return facts | {"gpu_uuid": first} if facts else {}
    rows = _smi_rows()
    chosen = [row for row in rows if first == row["index"] or row["uuid"].startswith(first)]
    if first.isdigit() and not by_bus and len({row["name"] for row in rows}) > 1:
        # CUDA counts from the fastest card, nvidia-smi along the bus: only where all are alike is
        # the number of one the number of the other.
        uuid = _from_torch().get("gpu_uuid")
        chosen = [row for row in rows if row["uuid"] == uuid] or chosen
    return _from_smi(chosen[0]) if chosen else _from_torch()


def _smi_rows() -> list[dict[str, str]]:
    command = ["nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    text = _output(command)
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return [dict(zip(FIELDS, row, strict=True)) for row in rows if len(row) == len(FIELDS)]


def _from_smi(row: Mapping[str, str]) -> dict[str, object]:
    try:
        major, _, minor = row["compute_cap"].partition(".")
        sm, memory_gib = int(major) * 10 + int(minor), float(row["memory.total"]) / 1024
    except ValueError:
        return _from_torch()  # an old driver, or shared memory: "[N/A]"
    return {
        "gpu": row["name"][:100],
        "gpu_uuid": row["uuid"],
        "memory_gib": round(memory_gib, 2),
        "sm": sm,
        "driver": row["driver_version"],
    }


def _from_torch() -> dict[str, object]:
    # Importing it takes 3 s, for nothing where it was built without CUDA or no driver is loaded.
    if not _cuda() or not any(Path(device).exists() for device in DEVICES):
        return {}
    try:
        facts = json.loads(_output([sys.executable, "-c", ASK_TORCH], ASK_S * 2) or "{}")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _output(command: list[str], timeout_s: float = ASK_S) -> str:
    """What a program prints, "" where it is missing, fails or hangs."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)[:40]
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cuda() -> str:
    """The CUDA version that torch was built for, read from its files."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return ""
    try:
        text = (Path(spec.submodule_search_locations[0]) / "version.py").read_text("utf-8")
    except OSError:
        return ""
    found = re.search(r"^cuda\b[^=\n]*= *'([\d.]+)'", text, re.MULTILINE)
    return found[1] if found else ""


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor()[:100]
    found = re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE)
    return (found[1] if found else platform.machine())[:100]
