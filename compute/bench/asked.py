"""From a request to what will be measured, or a refusal; all before any GPU time, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from compute.bench.index import SHORT, SPELLINGS, Dims, Listed, listed, nearest_ops
from compute.bench.presets import EXPLAIN, preset_shapes
from compute.bench.request import BenchRequest
from compute.bench.shapes import example_of, parse_shapes, smaller
from compute.inputs import shown
from compute.tool import Fix, Needs, Refused
from content.gpus import Gpu, GpuCatalogue, load_gpus

ANYWHERE, ANY_GPU, CPU = "", "cuda", "cpu"
GIB = 2**30
# Inputs and outputs, PyTorch's own fp32 intermediates of them, and a flush buffer.
ROOM, FLUSH_GIB = 4.0, 1.0
HOST_GIB = 8.0
BEYOND_S = 240.0  # the last first call and reading the compiled code may go over the budgets
SMALLEST_GIB = 7.0  # every card has that: a job that needs less asks for no size
MOST_ROWS = 200
FP8_ARCHS = ("Ada", "Hopper", "Blackwell")
BF16_NOT = ("Pascal", "Volta", "Turing", "Maxwell")


@dataclass(frozen=True)
class Asked:
    """What is to be measured. ``dtype`` is torch's name, or "tf32"; ``place`` is "" (a GPU if there
    is one), "cuda", "cpu" or a GPU's key; ``only`` names implementations, empty = all.
    """

    op: Listed
    dtype: str
    shapes: tuple[Dims, ...]
    place: str
    only: tuple[str, ...]
    explain: bool

    @property
    def inputs_dtype(self) -> str:
        """The dtype of the tensors: TF32 is a way to multiply float32."""
        return "float32" if self.dtype == "tf32" else self.dtype

    def need_gib(self) -> float:
        """Device memory for the largest shape."""
        most = max((self.op.bytes(dims, self.dtype) for dims in self.shapes), default=0.0)
        return room_gib(most)


def room_gib(moved_bytes: float) -> float:
    """Memory that measuring a problem of that size takes."""
    return ROOM * moved_bytes / GIB + FLUSH_GIB


@cache
def gpus() -> GpuCatalogue:
    """The catalogue, read once."""
    return load_gpus()


def understand(request: BenchRequest) -> Asked:
    """Raises ``Refused`` with the nearest right example for what cannot be measured."""
    op = _operator(request.op)
    dtype = _dtype(request.dtype, op)
    place, gpu = _place(request.gpu)
    explain = request.preset.strip().lower() == EXPLAIN
    shapes = tuple(_shapes(request, op, explain))
    asked = Asked(op, dtype, shapes, place, _only(request.implementations, op), explain)
    if place == CPU and dtype == "tf32":
        raise Refused("TF32 is a format of NVIDIA's tensor cores: a CPU has none.", field="dtype",
                      given=request.dtype, nearest=("fp32",), example="fp32")  # fmt: skip
    if gpu is not None:
        _check_gpu(asked, gpu, request)
    _check_count(asked, request)
    return asked


def needs(request: BenchRequest) -> Needs:
    """The machine that a request takes. Raises ``Refused`` for what no machine should see."""
    asked = understand(request)
    bare = Needs(host_gib=HOST_GIB, limit_s=2 * request.budget_s + BEYOND_S)
    if asked.explain or asked.place == CPU:
        return bare
    if asked.place not in (ANYWHERE, ANY_GPU):
        return replace(bare, gpu=asked.place)
    memory = asked.need_gib()
    largest = max((gpu.mem_gb for gpu in gpus()), default=0.0)
    if memory > largest:
        raise _too_large(asked, largest, "the largest GPU on record")
    return replace(
        bare,
        cuda=True,
        or_cpu=asked.place == ANYWHERE and asked.dtype != "tf32",
        memory_gib=memory if memory > SMALLEST_GIB else 0.0,
        sm=89 if asked.dtype.startswith("float8") and asked.place == ANY_GPU else 0,
    )


def _operator(text: str) -> Listed:
    known = listed()
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    if name in known:
        return known[name]
    near = nearest_ops(text)
    raise Refused(
        "I don't know that operator.",
        field="op",
        given=shown(text),
        nearest=near or tuple(known)[:3],
        example=near[0] if near else "rms_norm",
    )


def _dtype(text: str, op: Listed) -> str:
    if not text.strip():
        return op.usual_dtype
    name = SPELLINGS.get(text.strip().lower())
    if name in op.dtypes or (name == "tf32" and op.takes_tf32):
        return name
    offered = ", ".join(op.offered)
    said = f"{op.name} has no {SHORT[name]}" if name else "I don't know that dtype"
    having = [other.name for other in listed().values() if name in other.dtypes]
    offered += f"; {SHORT[name]} in {having[0]}" if name in SHORT and having else ""
    usual = SHORT.get(op.usual_dtype, op.usual_dtype)
    raise Refused(f"{said}: {op.name} is measured in {offered}.", field="dtype",
                  given=shown(text), nearest=op.offered[:3], example=usual)  # fmt: skip


def _place(text: str) -> tuple[str, Gpu | None]:
    name = text.strip().lower()
    if name in ("", "any", "auto"):
        return ANYWHERE, None
    if name in (CPU, ANY_GPU, "gpu"):
        return (CPU if name == CPU else ANY_GPU), None
    gpu = gpus().find(text)
    if gpu is None:
        near = tuple(g.name for g in gpus().nearest(text) if g.vendor == "NVIDIA")
        raise Refused("I don't know that GPU.", field="gpu", given=shown(text), nearest=near,
                      example="h100")  # fmt: skip
    if gpu.vendor != "NVIDIA":
        raise Refused(
            f"The kernels here are for NVIDIA GPUs; {gpu.name} is made by {gpu.vendor}.",
            field="gpu",
            given=shown(text),
            nearest=("H100 SXM", "H200 SXM"),
            example="h100",
        )
    return gpu.key, gpu


def _only(text: str, op: Listed) -> tuple[str, ...]:
    wanted = [part.strip().lower() for part in text.split(",") if part.strip()]
    for name in wanted:
        if name not in op.implementations:
            raise Refused(
                f"{op.name} has no implementation of that name: {', '.join(op.implementations)}.",
                field="implementations",
                given=shown(name),
                nearest=tuple(op.implementations)[:3],
                example="torch, triton",
            )
    return tuple(dict.fromkeys(wanted))


def _shapes(request: BenchRequest, op: Listed, explain: bool) -> list[Dims]:
    if explain:
        return []
    if request.shapes.strip() and request.preset.strip():
        raise Refused("Give shapes or a preset, not both.", field="shapes",
                      given=shown(request.shapes), example=example_of(op))  # fmt: skip
    if request.shapes.strip():
        return parse_shapes(request.shapes, op)
    return preset_shapes(request.preset, op) if request.preset.strip() else list(op.suites["sweep"])


def _check_count(asked: Asked, request: BenchRequest) -> None:
    """A result travels in one message of the queue: 200 rows are 170 kB of 256."""
    each = len(asked.only or asked.op.implementations) * (2 if request.cache == "both" else 1)
    if len(asked.shapes) * each > MOST_ROWS:
        most = MOST_ROWS // each
        shapes = ", ".join(asked.op.text(dims) for dims in asked.shapes[:most])
        raise Refused(
            f"{len(asked.shapes)} shapes are {len(asked.shapes) * each} rows; a run holds "
            f"{MOST_ROWS}: at most {most} shapes here.",
            field="shapes", given=shown(request.shapes), example=shapes,
        )  # fmt: skip


def _check_gpu(asked: Asked, gpu: Gpu, request: BenchRequest) -> None:
    """What this very GPU cannot do or hold."""
    family = gpu.arch.split()[0] if gpu.arch else ""
    if asked.dtype.startswith("float8") and family not in FP8_ARCHS:
        raise Refused(
            f"{gpu.name} ({gpu.arch}) has no fp8: that takes Ada, Hopper or newer.",
            field="gpu", given=shown(request.gpu), nearest=("H100 SXM", "L40S"), example="h100",
        )  # fmt: skip
    if asked.dtype in ("bfloat16", "tf32") and family in BF16_NOT:
        raise Refused(
            f"{gpu.name} ({gpu.arch}) has no {SHORT[asked.dtype]}: that takes Ampere or newer.",
            field="dtype", given=shown(request.dtype or SHORT[asked.dtype]),
            nearest=("fp16", "fp32"), example="fp16",
        )  # fmt: skip
    if asked.need_gib() > gpu.mem_gb:
        raise _too_large(asked, gpu.mem_gb, gpu.name)


def _too_large(asked: Asked, memory_gib: float, where: str) -> Refused:
    """Which shape, and the nearest that fits."""
    op = asked.op
    largest = max(asked.shapes, key=lambda dims: op.bytes(dims, asked.dtype))
    fitting: Dims | None = largest
    while fitting is not None and room_gib(op.bytes(fitting, asked.dtype)) > memory_gib:
        fitting = smaller(fitting)
    near = (op.text(fitting),) if fitting is not None else ()
    needed = room_gib(op.bytes(largest, asked.dtype))
    return Refused(
        f"{op.text(largest)} in {SHORT[asked.dtype]} needs about {needed:,.0f} GiB to measure; "
        f"{where} has {memory_gib:,.0f}.",
        field="shapes",
        given=op.text(largest),
        nearest=near,
        example=near[0] if near else example_of(op),
        fixes=tuple(
            Fix(label=f"Use {text}", changes={"shapes": text, "preset": ""}) for text in near
        ),
    )
