"""One shape: every implementation checked, timed side by side, checked again, and judged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from compute.bench.checks import Right, Truth, Where
from compute.bench.device import Device, out_of_memory
from compute.bench.inputs import InputSets
from compute.bench.result import RAISES, Row
from compute.bench.timing import (
    WARM_MOST_S,
    WARM_S,
    Plan,
    Subject,
    host_time,
    measure,
    once,
    warm_up,
)

if TYPE_CHECKING:
    from compute.kernels.operator import Dims, Implementation, Operator

Cache = Literal["cold", "warm"]
Method = Literal["event", "graph"]
BASELINE = "torch"  # PyTorch eager: what speed-ups are against
SETS = 3  # rotated; a graph's launches together go over four times the cache
MOST_SETS = 64
SETS_SHARE = 0.2  # of the memory
LEAST_ROUNDS = 6  # two blocks of three
MOST_WORDS = 200
AFTER_LOSS = "not run: the GPU had stopped at {name}"
IN_TURNS = "the GPU stopped while they were timed in turns"
LATER_SHARE = 0.5  # of the first compilation: 20 s with torch's imports, then 5 to 10


@dataclass(frozen=True)
class Cell:
    """A shape to measure: how, where and how long. ``budget_s`` is for checks and timing;
    ``compile_s`` is what first calls may take, beside it. ``say`` is told what is under way.
    """

    operator: Operator
    dims: Dims
    dtype: str  # "tf32" is one of its own
    shape: str
    cache: Cache
    method: Method
    seed: int
    budget_s: float
    compile_s: float
    device: Device
    say: Callable[[str], Awaitable[None]]

    @property
    def inputs_dtype(self) -> str:
        """The dtype of the tensors."""
        return "float32" if self.dtype == "tf32" else self.dtype

    @property
    def moved_bytes(self) -> int:
        """The least that is read and written."""
        return self.operator.bytes(self.dims, self.inputs_dtype)

    def row(self, implementation: Implementation) -> Row:
        """What is known of a row before anything ran."""
        return Row(
            op=self.operator.name,
            implementation=implementation.name,
            backend=implementation.backend,
            dtype=self.dtype,
            shape=self.shape,
            dims=dict(self.dims),
            cache=self.cache,
            method=self.method,
            state="skipped",
            moved_bytes=self.moved_bytes,
            flops=self.operator.flops(self.dims, self.inputs_dtype),
        )


@dataclass
class Contender:
    """An implementation on its way through a cell."""

    implementation: Implementation
    row: Row
    subject: Subject | None = None
    first_s: float = 0.0
    call_s: float = 0.0
    peak_bytes: int | None = None
    right: Right | None = None
    after: Right | None = None

    @property
    def compiling_s(self) -> float:
        """What the first call took beyond the next one."""
        return max(self.first_s - self.call_s, 0.0)

    def out(self, state: Literal["wrong", "unsupported", "skipped"], why: str) -> None:
        """It is not timed."""
        self.subject = None
        self.row = self.row.model_copy(update={"state": state, "why": sentence(why)})


@dataclass(frozen=True)
class Timed:
    """A cell that was measured: its contenders, the copy timed beside them, where a smaller shape
    was checked, and why the device takes no more work, "" while it does.
    """

    contenders: Sequence[Contender]
    copied: Subject | None
    checked_at: str
    lost: str = ""

    @property
    def compiling_s(self) -> float:
        """Of all first calls."""
        return sum(contender.compiling_s for contender in self.contenders)


async def run_cell(
    cell: Cell,
    implementations: Sequence[Implementation],
    first_calls_s: dict[str, float],
    copy: Callable[[float, str], Subject],
) -> Timed:
    """Measure all of ``implementations``. ``first_calls_s`` (backend -> seconds) is what
    the next first call may take, and is brought up to date.
    """
    sets = InputSets(
        cell.operator, cell.dims, cell.inputs_dtype, cell.seed, cell.device.kind, _count(cell)
    )
    truth = await _truth(cell, sets)
    began = cell.device.now_s()
    contenders = [Contender(i, cell.row(i)) for i in implementations]
    at = "" if truth.at is None else "x".join(str(size) for size in truth.at.values())
    compile_s = cell.compile_s
    for contender in contenders:
        if lost := await _prepare(contender, cell, sets, truth, compile_s, first_calls_s):
            return _lost(contenders, contender, at, lost)
        compile_s -= contender.compiling_s
    timed = [c for c in contenders if c.subject is not None]
    copied = copy(cell.moved_bytes, cell.device.kind) if timed else None
    if timed and copied is not None:
        spent_s = cell.device.now_s() - began - (cell.compile_s - compile_s)
        left_s = max(cell.budget_s - spent_s, cell.budget_s / 4)
        try:
            await _time(cell, timed, copied, left_s)
        except Exception:
            if not (lost := cell.device.lost()):
                raise
            return _lost(contenders, None, at, lost)
        for contender in await _check_again(cell, timed, truth):
            return replace(_lost(contenders, contender, at, cell.device.lost()), copied=copied)
    return Timed(contenders, copied, at)


def _lost(contenders: Sequence[Contender], at: Contender | None, checked: str, why: str) -> Timed:
    """No time counts but of those that were checked again. ``at`` is the one whose call the device
    did not survive, None where they took turns.
    """
    said = IN_TURNS if at is None else AFTER_LOSS.format(name=at.implementation.name)
    for contender in contenders:
        if contender is not at and contender.after is None and not contender.row.why:
            contender.out("skipped", said)
    return Timed(contenders, None, checked, sentence(why))


def _count(cell: Cell) -> int:
    """Sets of inputs: warm runs see the same one again."""
    if cell.cache == "warm" and cell.method == "event":
        return 1
    fitting = int(cell.device.memory_bytes * SETS_SHARE / max(cell.moved_bytes, 1))
    wanted = SETS
    if cell.method == "graph" and cell.cache == "cold":
        wanted = 4 * cell.device.cache_bytes // max(cell.moved_bytes, 1) + 1
    return max(1, min(wanted, fitting, MOST_SETS))


async def _truth(cell: Cell, sets: InputSets) -> Truth:
    await cell.say(f"reference {cell.shape}")
    where = Where(cell.device.kind, cell.device.memory_bytes, cell.seed)
    return Truth(cell.operator, cell.dims, cell.dtype, sets, where)


async def _prepare(
    contender: Contender,
    cell: Cell,
    sets: InputSets,
    truth: Truth,
    compile_s: float,
    first_calls_s: dict[str, float],
) -> str:
    """First call, check, and an estimate of one call; out where any of them says so. Returns why
    the device takes no more work after it, "" where it does.
    """
    from compute.kernels.plans.choosing import tuned_for

    made, backend = contender.implementation, contender.implementation.backend
    if _left_out(contender, cell, sets, compile_s, first_calls_s):
        return ""
    await cell.say(f"{made.name} {cell.shape}")
    subject = Subject(made.name, lambda k: made(**sets.number(k)))
    try:
        contender.first_s = once(cell.device, subject)
        first_calls_s[backend] = contender.first_s * LATER_SHARE
        contender.call_s = once(cell.device, subject, 1)
        contender.peak_bytes = cell.device.peak_bytes(lambda: subject.call(0))
        contender.right = truth.check(made, cell.device.synchronize)
    except Exception as error:  # whatever a kernel raises is its own fault, and said
        contender.out(*_fault(error))
        return cell.device.lost()
    if contender.right.why:
        contender.out("wrong", contender.right.why)
        return ""
    if cell.device.kind == "cuda":
        tuned = tuned_for(made.choice, cell.dims, cell.inputs_dtype)
        contender.row = contender.row.model_copy(update={"tuned": tuned})
    contender.subject = subject
    return ""


def _left_out(
    contender: Contender,
    cell: Cell,
    sets: InputSets,
    compile_s: float,
    first_calls_s: dict[str, float],
) -> bool:
    """Whether it has no first call, because it cannot or because of the time; its row says why."""
    made, backend = contender.implementation, contender.implementation.backend
    if cell.dtype == "tf32" and backend not in ("torch", "torch.compile", "library"):
        contender.out("unsupported", "computes IEEE fp32; it has no TF32 form")
        return True
    if reason := made.unsupported(sets.sets[0], cell.device.kind):
        contender.out("unsupported", reason)
        return True
    expected_s = first_calls_s.get(backend, 0.0)
    # A backend that was not called yet is, whatever the others took: nobody knows how long it is.
    if made.name != BASELINE and expected_s > max(compile_s, 0.0):
        contender.out("skipped", f"no time left: its first call may take {expected_s:.0f} s")
        return True
    return False


def _fault(error: Exception) -> tuple[Literal["wrong", "skipped"], str]:
    if out_of_memory(error):
        return "skipped", "this shape does not fit into memory with it"
    return "wrong", f"{RAISES} {type(error).__name__}: {error}"


async def _time(cell: Cell, timed: list[Contender], copied: Subject, left_s: float) -> None:
    """Leave out what is too slow for the time, warm the others up, and measure them in turn."""
    calls_s = sum(c.call_s for c in timed)
    for contender in timed:
        alone = contender.implementation.name == BASELINE or len(timed) == 1
        if (
            not alone
            and contender.call_s * LEAST_ROUNDS > left_s
            and contender.call_s > calls_s / 2
        ):
            contender.out(
                "skipped", f"one call takes {contender.call_s:.1f} s: too slow for the time"
            )
    timed[:] = [c for c in timed if c.subject is not None]
    subjects = [c.subject for c in timed if c.subject is not None]
    await cell.say(f"timing {cell.shape}")
    if cell.method == "graph":
        subjects = _graphs(cell, timed)
    warm_s = min(WARM_S, left_s / 8 / (len(subjects) + 1))
    most_s = min(WARM_MOST_S, left_s / 3 / (len(subjects) + 1))
    for subject in [*subjects, copied]:
        warm_up(cell.device, subject, warm_s, most_s)
        if cell.device.kind != "cpu":
            subject.host_s = host_time(cell.device, subject)
    measure(cell.device, [*subjects, copied], Plan(left_s, cold=cell.cache == "cold"))


def _graphs(cell: Cell, timed: list[Contender]) -> list[Subject]:
    """Each contender's launches over all sets as one graph."""
    made: list[Subject] = []
    for contender in timed:
        assert contender.subject is not None
        subject, count = contender.subject, max(_count(cell), SETS)
        calls = [partial(subject.call, k) for k in range(count)]
        try:
            replay = cell.device.capture(calls)
        except Exception as error:
            contender.out("skipped", f"cannot be captured in a CUDA graph: {error}")
            continue
        if replay is None:
            contender.out("skipped", "CUDA graphs need a GPU")
            continue
        contender.subject = Subject(subject.name, _replaying(replay), launches=count)
        made.append(contender.subject)
    timed[:] = [c for c in timed if c.subject is not None]
    return made


def _replaying(replay: Callable[[], object]) -> Callable[[int], object]:
    return lambda _: replay()


async def _check_again(cell: Cell, timed: Sequence[Contender], truth: Truth) -> Sequence[Contender]:
    """On other values at the same addresses: a result that was kept somewhere is wrong now.
    Returns the one that the device did not survive, if one was so.
    """
    await cell.say(f"checking {cell.shape} again")
    truth.change()
    for contender in timed:
        try:
            contender.after = truth.check(contender.implementation, cell.device.synchronize)
        except Exception as error:
            contender.out(*_fault(error))
            if cell.device.lost():
                return [contender]
            continue
        if contender.after.why:
            contender.out("wrong", f"on changed inputs, after its timing: {contender.after.why}")
    return []


def sentence(text: str) -> str:
    """One line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_WORDS else line[: MOST_WORDS - 1] + "…"
