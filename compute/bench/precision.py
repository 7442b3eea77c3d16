"""The same precision for every implementation: fp32 means IEEE, TF32 is a dtype of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def precision_of(dtype: str) -> Iterator[str]:
    """Set torch's flags for ``dtype`` while the block runs; yields them in words."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    try:
        yield "TF32 allowed" if dtype == "tf32" else "fp32 products are IEEE, TF32 off"
    finally:
        torch.set_float32_matmul_precision(before)
