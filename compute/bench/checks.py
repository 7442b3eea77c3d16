"""Whether an implementation is right on a shape: before its timing, and after it, anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compute.bench.device import out_of_memory
from compute.bench.inputs import InputSets, copies, poison, same_inputs, shares_memory
from compute.bench.shapes import smaller

if TYPE_CHECKING:
    from compute.kernels.operator import Dims, Implementation, Inputs, Operator

# What float64 may take: work, and bytes of the problem itself (its intermediates are many times
# that). 2^36 FLOP are a second on two cores; an H100 does 2^42 in 0.1 s.
MOST_FLOPS = {"cpu": 2**36, "cuda": 2**42}
# Of the memory: float64 results, what judging makes of them, inputs and copies are 16 times that.
MOST_SHARE = {"cpu": 1 / 32, "cuda": 1 / 24}
TF32_UNIT = 2.0**-11


@dataclass(frozen=True)
class Right:
    """``error`` is the relative Frobenius error, ``why`` a sentence where something is wrong."""

    error: float
    allowed: float
    why: str = ""


class Truth:
    """The float64 results of one shape, or of a smaller one where float64 does not fit.

    ``at`` is None for the shape itself. The inputs that are checked are ``sets``' first ones, or
    of the smaller shape. float64 results stay in memory while implementations run, so that none of
    them is handed the memory in which the right answer lies.
    """

    def __init__(
        self, operator: Operator, dims: Dims, dtype: str, sets: InputSets, where: Where
    ) -> None:
        self._operator, self._dtype = operator, dtype
        self.at: Dims | None = None
        self._inputs_dtype = "float32" if dtype == "tf32" else dtype
        self._timed, self._where = (dims, sets), where
        most_bytes = where.memory_bytes * MOST_SHARE[where.device]
        found = checkable(operator, dims, self._inputs_dtype, MOST_FLOPS[where.device], most_bytes)
        while True:
            try:
                self._use(found)
                return
            except Exception as error:  # float64 logits of attention, say
                less = smaller(found)
                if not out_of_memory(error) or less is None:
                    raise
                found = less

    def _use(self, dims: Dims) -> None:
        """Take the timed inputs, or make some of a smaller shape, and their truth."""
        timed, sets = self._timed
        self.at = None if dims == timed else dims
        self._sets = sets
        if self.at is not None:
            where = self._where
            self._sets = InputSets(
                self._operator, dims, self._inputs_dtype, where.seed, where.device, 1
            )
        self.begin()

    def begin(self) -> None:
        """The truth of the inputs as they are."""
        self.inputs = self._sets.sets[0]
        self._before = copies(self.inputs)
        self._want = self._operator.reference(**self._before)

    def change(self) -> None:
        """Other values at the same addresses, and their truth."""
        self._sets.change()
        self.begin()

    def check(self, implementation: Implementation, wait: Callable[[], None]) -> Right:
        """Run twice and judge. Whatever it raises comes out, for the caller to say. ``wait`` is for
        the device, and not without end, as judging would.
        """
        from compute.kernels.judging import allowed_error, as_tuple, judge, slack_of

        slack = slack_of(implementation.backend)
        if self._dtype == "tf32":
            slack *= max(1.0, 2 * TF32_UNIT / allowed_error(self._operator, "float32"))
        first = as_tuple(implementation(**self.inputs))
        wait()
        poison(first, self.inputs)
        del first  # its memory, poisoned, is the next call's
        got = implementation(**self.inputs)
        wait()
        verdict = judge(self._operator, self._before, got, self._want, self._inputs_dtype, slack)
        why = verdict.why or _manners(self.inputs, self._before, as_tuple(got))
        return Right(verdict.error, verdict.allowed, why)


def _manners(inputs: Inputs, before: Inputs, got: tuple[Any, ...]) -> str:
    if changed := same_inputs(inputs, before):
        return f"it changed its input {changed}"
    if shares_memory(got, inputs):
        return "its result shares memory with an input"
    return ""


@dataclass(frozen=True)
class Where:
    """The device's kind, its memory, and the seed."""

    device: str
    memory_bytes: int
    seed: int


def checkable(
    operator: Operator, dims: Dims, dtype: str, most_flops: float, most_bytes: float
) -> Dims:
    """The largest version of the problem within both limits: its lengths halved."""
    while (
        operator.flops(dims, dtype) > most_flops or operator.bytes(dims, dtype) > most_bytes
    ) and (less := smaller(dims)):
        dims = less
    return dims
