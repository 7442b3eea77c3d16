"""Inputs for timing and checking: several sets to rotate, refilled in place, outputs poisoned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compute.kernels.operator import Dims, Inputs, Operator

APART = 1009  # between the seeds of two sets
CHANGED = 500_009  # of the inputs that a result is checked on again after its timing


class InputSets:
    """``count`` sets of inputs of one shape. ``number(k)`` is the one for launch k."""

    def __init__(
        self, operator: Operator, dims: Dims, dtype: str, seed: int, device: str, count: int
    ) -> None:
        self._operator, self._dims, self._dtype = operator, dims, dtype
        self._seed, self._device = seed, device
        self.sets: list[Inputs] = [self._made(seed + APART * k) for k in range(max(count, 1))]

    def number(self, launch: int) -> Inputs:
        """The set for that launch."""
        return self.sets[launch % len(self.sets)]

    def change(self) -> Inputs:
        """Other values in the first set, at the same addresses: an output that was kept for an
        address, a shape or an object is now wrong.
        """
        fresh = self._made(self._seed + CHANGED)
        for name, value in self.sets[0].items():
            if hasattr(value, "copy_"):
                value.copy_(fresh[name])
        return self.sets[0]

    def _made(self, seed: int) -> Inputs:
        return self._operator.make_inputs(self._dims, self._dtype, seed, self._device)


def same_inputs(one: Inputs, other: Inputs) -> str:
    """The name of an input that differs (to the bit), "" when none does."""
    import torch

    for name, value in one.items():
        if hasattr(value, "untyped_storage"):
            left, right = (v.reshape(-1).view(torch.uint8) for v in (value, other[name]))
            if not torch.equal(left, right):
                return name
    return ""


def copies(inputs: Inputs) -> Inputs:
    """The same values in other memory."""
    return {k: v.clone() if hasattr(v, "clone") else v for k, v in inputs.items()}


def poison(results: tuple[Any, ...], inputs: Inputs) -> None:
    """Fill results with NaN (or -1), and as much memory again, before they are let go: the
    allocator hands it to the next call, so an element that a kernel does not write shows.
    """
    import torch

    if shares_memory(results, inputs):
        return
    for result in results:
        for tensor in (result, torch.empty_like(result)):
            tensor.fill_(float("nan") if tensor.is_floating_point() else -1)


def shares_memory(results: tuple[Any, ...], inputs: Inputs) -> bool:
    """Whether a result lies in an input's memory."""
    owned = {v.untyped_storage().data_ptr() for v in inputs.values() if hasattr(v, "clone")}
    return any(t.numel() and t.untyped_storage().data_ptr() in owned for t in results)
