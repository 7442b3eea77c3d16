"""The registers that a thread reads to know where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.fakes.ptx.step import Step

AXES = "xyz"


def special(step: Step, name: str) -> NDArray[Any]:
    """uint32 (or uint64) of every thread of the batch. Clusters are of one CTA."""
    word, _, axis = name.partition(".")
    if word in ("tid", "ntid", "ctaid", "nctaid", "clusterid", "nclusterid"):
        return _place(step, word.replace("clusterid", "ctaid"), AXES.index(axis))
    if word in ("cluster_nctaid", "cluster_nctarank"):
        return _same(step, 1)
    if word in ("cluster_ctaid", "cluster_ctarank", "is_explicit_cluster", "smid", "gridid"):
        return _same(step, 0)
    lane = step.lane_of.astype(np.uint32)
    one = np.uint32(1)
    match word:
        case "laneid":
            return lane
        case "warpid":
            return (step.within // 32).astype(np.uint32)
        case "nwarpid":
            return _same(step, step.warps_a_cta)
        case "lanemask_eq":
            return one << lane
        case "lanemask_lt":
            return (one << lane) - one
        case "lanemask_le":
            return (one << lane) | ((one << lane) - one)
        case "lanemask_ge":
            return ~((one << lane) - one)
        case "lanemask_gt":
            return ~((one << lane) | ((one << lane) - one))
        case "dynamic_smem_size" | "total_smem_size":
            return _same(step, step.memory.shared_limit)
    raise NotImplementedError(f"the register %{name} is not known")


def _same(step: Step, value: int) -> NDArray[Any]:
    return np.full(step.count, value, dtype=np.uint32)


def _place(step: Step, word: str, axis: int) -> NDArray[Any]:
    if word in ("ntid", "nctaid"):
        return _same(step, (step.cta_shape if word == "ntid" else step.grid)[axis])
    size, at = (
        (step.cta_shape, step.within) if word == "tid" else (step.grid, step.grid_cta[step.cta_of])
    )
    for before in size[:axis]:
        at = at // before
    return (at % size[axis] if axis < 2 else at).astype(np.uint32)
