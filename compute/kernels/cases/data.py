"""Inputs for measuring and for checking: normal values, and the shapes kernels stumble over."""

from __future__ import annotations

import torch


def generator(seed: int, device: str) -> torch.Generator:
    """Random numbers that are the same for the same seed."""
    made = torch.Generator(device=device)
    made.manual_seed(seed)
    return made


def normal(
    shape: tuple[int, ...], dtype: str, made: torch.Generator, scale: float = 1.0
) -> torch.Tensor:
    """Normal values: on zeros a GPU's clocks run higher and a gemm is 13 % faster."""
    values = torch.randn(shape, generator=made, device=made.device, dtype=torch.float32)
    return (values * scale).to(getattr(torch, dtype))


def dtype_name(tensor: torch.Tensor) -> str:
    """torch's name, such as "bfloat16"."""
    return str(tensor.dtype).removeprefix("torch.")


def strided(tensor: torch.Tensor, pad: int = 24, offset: int = 8) -> torch.Tensor:
    """The same values as a slice of a wider buffer: rows apart, and not at its beginning."""
    wide = tensor.new_full((*tensor.shape[:-1], tensor.shape[-1] + pad), float("nan"))
    part = wide[..., offset : offset + tensor.shape[-1]]
    part.copy_(tensor)
    return part


def row_stride(tensor: torch.Tensor) -> int:
    """Elements between two rows of a matrix whose last axis is dense."""
    return tensor.stride(0) if tensor.shape[0] > 1 else tensor.shape[-1]


def dense_rows(tensor: torch.Tensor) -> torch.Tensor:
    """The matrix itself if its last axis is dense, else a copy that is."""
    return tensor if tensor.shape[-1] <= 1 or tensor.stride(-1) == 1 else tensor.contiguous()


def aligned(*tensors: torch.Tensor, bytes_each: int = 16) -> bool:
    """Whether every row of every tensor begins at a multiple of ``bytes_each`` bytes."""
    return all(
        t.data_ptr() % bytes_each == 0
        and all(s * t.element_size() % bytes_each == 0 for s in t.stride()[:-1])
        for t in tensors
    )
