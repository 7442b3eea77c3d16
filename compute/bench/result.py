"""What a benchmark tells: one row a cell, the ceilings they are held against, and where it ran."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from compute.tool import Fix, Result

State = Literal["measured", "wrong", "unsupported", "rejected", "skipped"]
RAISES = "raises"  # begins the reason of a "wrong" that gave no result at all
Standing = Literal["", "faster", "slower", "no difference"]


class Part(BaseModel):
    """Parts of the result; what a newer version has added is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Row(Part):
    """One implementation on one shape. Times are of one call; ``None`` is not known or not meant.

    ``state``: only "measured" has times; ``why`` is a sentence for the others, and a remark for a
    measured one. ``roofline_pct``: floor over median, where the floor is what the measured ceilings
    allow (``floor_ms``); ``copy_pct``: a copy that moves as many bytes, timed in the same rounds,
    over the median. ``speedup`` is against PyTorch eager; ``standing`` says whether that difference
    is one. ``error`` is the relative Frobenius error against float64, of which ``allowed`` may be.
    ``checked_at``: the smaller shape where float64 did not fit the time or the memory, else "".
    ``peak_bytes``: device memory that a call holds at most beside its inputs, its result included.
    ``tuned``: the configuration that was kept by tuning on this GPU, "" for the table's own.
    ``host_us``: time until the call returned to Python; ``first_call_s``: compiling included.
    """

    op: str
    implementation: str
    backend: str
    dtype: str
    shape: str
    dims: dict[str, int]
    cache: Literal["cold", "warm"]
    method: Literal["event", "graph"]
    state: State
    why: str = ""
    median_ms: float | None = None
    q1_ms: float | None = None
    q3_ms: float | None = None
    min_ms: float | None = None
    n: int = 0
    block_medians_ms: tuple[float, ...] = ()
    unstable: bool = False
    moved_bytes: int = 0
    flops: int = 0
    gbs: float | None = None
    tflops: float | None = None
    floor_ms: float | None = None
    roofline_pct: float | None = None
    copy_pct: float | None = None
    speedup: float | None = None
    standing: Standing = ""
    error: float | None = None
    error_after: float | None = None
    allowed: float | None = None
    checked_at: str = ""
    first_call_s: float | None = None
    host_us: float | None = None
    peak_bytes: int | None = None
    tuned: str = ""


class Ceiling(Part):
    """A measured peak: ``kind`` is "copy" (GB/s, read and write) or a dtype (TFLOP/s of a matrix
    product); ``what`` says how it was measured. ``most`` beside a copy is the fastest of it, a sum
    (which only reads) and an addition: memory that is written less is faster. 0 is not measured.
    """

    kind: str
    value: float
    what: str
    most: float = 0.0


class Compiled(Part):
    """What one kernel was compiled to for one architecture; nothing was run for it.

    ``spilled``: loads and stores of local memory; ``occupancy``: resident threads over the most.
    """

    op: str = ""
    implementation: str
    kernel: str
    arch: int
    registers: int
    shared_bytes: int
    spilled: int
    tensor_core: tuple[str, ...]
    async_copies: int
    loads_16: int
    num_warps: int
    occupancy: float
    config: str = ""


class Checked(Part):
    """A check of values without a time: Triton in its interpreter, CUDA by emulation."""

    op: str = ""
    implementation: str
    how: str
    shape: str
    error: float | None = None
    allowed: float | None = None
    why: str = ""


class Environment(Part):
    """Where and how it was measured. Clocks (MHz), power, temperature and load are the least and
    the most, the first two while kernels were timed; ``None`` and an empty pair are unknown.
    """

    device: Literal["cuda", "cpu", "none"] = "none"
    name: str = ""
    gpu_key: str = ""
    sm: int = 0
    memory_gib: float = 0.0
    l2_bytes: int = 0
    driver: str = ""
    cuda: str = ""
    torch: str = ""
    triton: str = ""
    python: str = ""
    version: str = ""
    threads: int = 0
    precision: str = ""
    compile_mode: str = ""
    clock_mhz: tuple[float, ...] = ()
    clock_most_mhz: float | None = None
    temperature_c: tuple[float, ...] = ()
    power_w: tuple[float, ...] = ()
    throttle: tuple[str, ...] = ()
    others: int | None = None
    load: tuple[float, ...] = ()
    measured_at: str = ""


class Implementation(Part):
    """One way to compute the operator, and where its source is (file from the root, line)."""

    name: str
    backend: str
    file: str
    line: int


class BenchResult(Result):
    """Everything measured; ``complete`` is False while rows are still to come.

    ``left_out``: shapes that were not measured, each with its reason. ``lost``: why the GPU took
    no more work before the end, "" where it did. ``counts`` says in words what is counted as work
    and as bytes; ``fixes`` offer the operator's other shapes.
    """

    op: str
    title: str
    summary: str
    dtype: str
    regime: Literal["memory", "compute"]
    complete: bool = False
    environment: Environment = Environment()
    ceilings: tuple[Ceiling, ...] = ()
    rows: tuple[Row, ...] = ()
    compiled: tuple[Compiled, ...] = ()
    compiled_why: tuple[str, ...] = ()
    checked: tuple[Checked, ...] = ()
    left_out: tuple[str, ...] = ()
    lost: str = ""
    implementations: tuple[Implementation, ...] = ()
    counts: tuple[str, ...] = ()
    headline: str = ""
    sentence: str = ""
    fixes: tuple[Fix, ...] = ()
    seed: int = 0
    budget_s: float = Field(default=0.0, ge=0)
