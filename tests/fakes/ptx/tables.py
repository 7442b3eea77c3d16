"""Which function runs which instruction: the longest beginning of its opcode decides."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes.ptx import (
    access,
    arithmetic,
    atomics,
    bulk,
    compare,
    control,
    convert,
    copies,
    fences,
    mbarrier,
    tensor,
    tensor_maps,
    warp,
    wgmma,
)
from tests.fakes.ptx.bind import Handler, Run
from tests.fakes.ptx.program import Instruction

BINDERS: dict[str, Callable[[Instruction], Run]] = {
    **access.BINDERS,
    **arithmetic.BINDERS,
    **compare.BINDERS,
    **convert.BINDERS,
    **warp.BINDERS,
    **atomics.BINDERS,
}
HANDLERS: dict[str, Handler] = {
    **control.HANDLERS,
    **tensor.HANDLERS,
    **wgmma.HANDLERS,
    **copies.HANDLERS,
    **bulk.HANDLERS,
    **tensor_maps.HANDLERS,
    **mbarrier.HANDLERS,
    **fences.HANDLERS,
}
