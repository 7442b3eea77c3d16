"""From what a person types for a GPU to the figures an estimate needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from compute.throughput.request import MAX_COMPARED, MAX_GPUS, GpuNumbers
from compute.tool import Fix, Refused
from content.gpus import Gpu, GpuCatalogue

NUMBERS_EXAMPLE = "80GiB 3350GB/s 989TFLOPS"
CPU = re.compile(
    r"\b(cpu|epyc|xeon|threadripper|ryzen(?!\s*ai)|core\s*(i|ultra)\s*\d|graviton)", re.IGNORECASE
)
# 12 channels of DDR5-4800; 64 cores at 2.4 GHz with AVX-512: 128 bf16 FLOPs a cycle each
CPU_EXAMPLE = "384GiB 461GB/s 20TFLOPS"
INLINE_ECC = 15 / 16  # GDDR6 datacentre cards keep their check bits in the memory itself
FIRMWARE = 0.995  # an "80 GB" card shows 79.6 GiB to the allocator
APPLE_SHARE = 0.75  # macOS lets the GPU wire three quarters of the memory by default
UNIFIED_SHARE = 0.93  # DGX Spark shows 119 of 128 GiB; the system needs the rest
SLOWEST_HBM_GBS = 700.0  # P100 has 732; an A40 with GDDR6 696
ECC_ARCHS = ("Turing", "Ampere", "Ada")
NUMBER = re.compile(
    r"(?<![\w.+-])(\d+(?:\.\d+)?)\s*"
    r"(gib|gb/s|gbs|gbps|tib|tb/s|gb|tb|int8\s*tops|tops|fp8\s*tflops|fp4\s*tflops|tflops|tflop/s|pflops)",
    re.IGNORECASE,
)
COUNTED = re.compile(r"(\d{1,4})\s*[x×*]\s*(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Device:
    """One GPU. ``rates`` are dense TFLOP/s by compute format; ``link_gbs`` one direction."""

    key: str
    name: str
    vendor: str
    arch: str
    kind: str
    usable_gib: float
    bandwidth_gbs: float
    rates: Mapping[str, float]
    link_gbs: float
    fast_link: bool
    source: str

    @property
    def memory_kind(self) -> str:
        """hbm, gddr or unified: how close to nominal a kernel gets differs."""
        if self.kind == "unified":
            return "unified"
        stacked = self.kind == "datacenter" and self.bandwidth_gbs >= SLOWEST_HBM_GBS
        return "hbm" if stacked and self.arch != "Ada" else "gddr"

    @property
    def unpack_tops(self) -> float:
        """Rate of the ordinary arithmetic, beside the matrix units, that unpacks quantised weights.

        Four 8-bit multiply-adds go in one instruction (dp4a) everywhere but on Apple's GPUs.
        """
        at_once = 1.0 if self.vendor == "Apple" else 4.0
        return at_once * self.rates["fp16"] / _matrix_gain(self)

    @property
    def halves_fp32_accumulation(self) -> bool:
        """GeForce cards run fp16 with fp32 accumulation at half the rate of fp16 accumulation."""
        return self.vendor == "NVIDIA" and self.kind == "consumer" and self.arch != "Pascal"


def _matrix_gain(device: Device) -> float:
    """How many times faster matrix units multiply 16-bit numbers than the others 32-bit ones.

    Rounded from data sheets: H100 989 against 67, RTX 4090 165 against 83, A6000 155 against 39,
    MI300X 1307 against 163, Radeon (WMMA) twice; Apple up to M4 and Pascal have no such units.
    """
    if device.vendor == "Apple" or device.arch == "Pascal":
        return 1.0
    if device.vendor == "AMD":
        return 8.0 if device.arch.startswith("CDNA") else 2.0
    if device.memory_kind == "hbm":
        return 15.0
    return 2.0 if device.kind == "consumer" else 4.0


def from_catalogue(gpu: Gpu) -> Device:
    """A catalogue row as a device."""
    rates = {
        "fp16": gpu.fp16_dense_tflops,
        "int8": gpu.int8_dense_tops,
        "fp8": gpu.fp8_dense_tflops,
        "fp4": gpu.fp4_dense_tflops,
    }
    return Device(
        key=gpu.key,
        name=gpu.name,
        vendor=gpu.vendor,
        arch=gpu.arch,
        kind=gpu.kind,
        usable_gib=gpu.mem_gb * _usable_share(gpu),
        bandwidth_gbs=gpu.mem_bw_gbs,
        rates={name: rate for name, rate in rates.items() if rate},
        link_gbs=gpu.link_bw_gbs,
        fast_link=not gpu.link.startswith("PCIe") and gpu.link_bw_gbs >= 50.0,
        source=gpu.source,
    )


def _usable_share(gpu: Gpu) -> float:
    if gpu.vendor == "Apple":
        return APPLE_SHARE
    if gpu.kind == "unified":
        return UNIFIED_SHARE
    ecc = gpu.kind == "datacenter" and gpu.arch in ECC_ARCHS and gpu.mem_bw_gbs < 900.0
    return INLINE_ECC if ecc and gpu.vendor == "NVIDIA" else FIRMWARE


def from_numbers(numbers: GpuNumbers) -> Device:
    """A GPU given by numbers; what is not given is not assumed to exist."""
    rates = {
        "fp16": numbers.fp16_dense_tflops,
        "int8": numbers.int8_dense_tops,
        "fp8": numbers.fp8_dense_tflops,
        "fp4": numbers.fp4_dense_tflops,
    }
    link = numbers.link_bw_gbs_unidir or 0.0
    hbm = numbers.mem_bw_gbs >= 1400.0
    return Device(
        key="",
        name=numbers.name,
        vendor=numbers.vendor or "unknown",
        arch=numbers.arch or "unknown",
        kind="datacenter" if hbm else "consumer",
        usable_gib=numbers.mem_gb * FIRMWARE,
        bandwidth_gbs=numbers.mem_bw_gbs,
        rates={name: rate for name, rate in rates.items() if rate},
        link_gbs=link,
        fast_link=link >= 100.0,
        source="given by numbers",
    )


def resolve_gpus(given: str | GpuNumbers, gpus: GpuCatalogue) -> list[Device]:
    """The devices of a request: a name, a comma list, or numbers. Raises ``Refused``."""
    if isinstance(given, GpuNumbers):
        return [from_numbers(given)]
    names = [part.strip() for part in given.split(",") if part.strip()]
    if len(names) > 1 and all(NUMBER.fullmatch(name) for name in names):
        names = [" ".join(names)]  # the numbers of one GPU, written with commas
    if not names:
        raise _unknown(given, gpus)
    if len(names) > MAX_COMPARED:
        raise Refused(
            f"I compare at most {MAX_COMPARED} GPUs at once; that is {len(names)}.",
            field="gpu",
            given=given[:80],
            example="h100, h200, mi300x",
        )
    devices = [_resolve(name, gpus) for name in names]
    return list({device.key or device.name: device for device in devices}.values())


def _resolve(name: str, gpus: GpuCatalogue) -> Device:
    found = gpus.find(name)
    if found is not None:
        return from_catalogue(found)
    if len(NUMBER.findall(name)) >= 2:
        return from_numbers(_parse_numbers(name))
    counted = COUNTED.fullmatch(name)
    if counted and (found := gpus.find(counted[2])) is not None:
        raise _several(name, int(counted[1]), found)
    raise _unknown(name, gpus)


def _several(given: str, number: int, gpu: Gpu) -> Refused:
    """``8x h100``: how many is an option of its own."""
    fix = Fix(label=f"Use {number} GPUs", changes={"gpu": gpu.key, "n_gpus": number})
    return Refused(
        f"How many GPUs there are is the option gpus: gpu {gpu.name}, gpus {number}.",
        field="gpu",
        given=given[:60],
        nearest=(gpu.name,),
        fixes=(fix,) if 1 <= number <= MAX_GPUS else (),
    )


def _unknown(name: str, gpus: GpuCatalogue) -> Refused:
    if CPU.search(name):
        return Refused(
            "A CPU is given by its numbers: memory, memory bandwidth, dense 16-bit TFLOP/s.",
            field="gpu",
            given=name[:60],
            example=CPU_EXAMPLE,
        )
    return Refused(
        "I don't know that GPU.",
        field="gpu",
        given=name[:60],
        nearest=tuple(gpu.name for gpu in gpus.nearest(name)),
        example=NUMBERS_EXAMPLE,
    )


def _parse_numbers(text: str) -> GpuNumbers:
    found: dict[str, float] = {}
    for digits, unit in NUMBER.findall(text[:200]):
        field, scale = _unit(unit.lower().replace(" ", ""))
        found[field] = float(digits) * scale
    try:
        return GpuNumbers.model_validate({"name": text[:60], **found})
    except ValueError as error:
        raise Refused(
            "A GPU given by numbers needs memory, bandwidth and dense fp16 rate, all above 0.",
            field="gpu",
            given=text[:60],
            example=NUMBERS_EXAMPLE,
        ) from error


def _unit(unit: str) -> tuple[str, float]:
    if unit in ("gb/s", "gbs", "gbps"):
        return "mem_bw_gbs", 1.0
    if unit == "tb/s":
        return "mem_bw_gbs", 1000.0
    if unit in ("gib", "gb"):
        return "mem_gb", 1.0
    if unit in ("tib", "tb"):
        return "mem_gb", 1024.0
    if unit.startswith("fp8"):
        return "fp8_dense_tflops", 1.0
    if unit.startswith("fp4"):
        return "fp4_dense_tflops", 1.0
    if "tops" in unit:
        return "int8_dense_tops", 1.0
    return "fp16_dense_tflops", 1000.0 if unit == "pflops" else 1.0
