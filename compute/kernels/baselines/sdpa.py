"""PyTorch's scaled_dot_product_attention with one backend at a time, as baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from compute.kernels.operator import Implementation, Inputs

BACKENDS = {
    "sdpa-flash": "FLASH_ATTENTION",
    "sdpa-cudnn": "CUDNN_ATTENTION",
    "sdpa-efficient": "EFFICIENT_ATTENTION",
    "sdpa-math": "MATH",
}
MATH_BYTES = 24 * 2**30


def library() -> dict[str, Implementation]:
    """One implementation for each backend of SDPA."""
    return {
        name: Implementation(name, "library", _run(backend), limits=_limits(name))
        for name, backend in BACKENDS.items()
    }


def _run(backend: str) -> Callable[..., Any]:
    def run(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, scale: float
    ) -> torch.Tensor:
        """One call with this backend and no other."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(getattr(SDPBackend, backend)):
            out: torch.Tensor = torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=causal and q.shape[2] > 1, scale=scale,
                enable_gqa=q.shape[1] != k.shape[1],
            )  # fmt: skip
        return out

    return run


def _limits(name: str) -> Callable[[Inputs, str], str | None]:
    def limits(inputs: Inputs, device: str) -> str | None:
        """What SDPA or this backend of it does not do."""
        q, k = inputs["q"], inputs["k"]
        if not q.numel() or not k.numel():
            return "SDPA takes no empty tensors here"
        if inputs["causal"] and q.shape[2] not in (1, k.shape[2]):
            return "SDPA aligns its causal mask at the first key, this operator at the last"
        if name == "sdpa-math":
            needed = 12 * q[..., 0].numel() * k.shape[2]
            large = f"the logits would need {needed / 2**30:.0f} GiB"
            return large if needed > MATH_BYTES else None
        if device != "cuda":
            return "needs a GPU"
        return None if _takes(name, inputs) else f"{name} does not take these inputs on this GPU"

    return limits


def _takes(name: str, inputs: Inputs) -> bool:
    from torch.backends import cuda

    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    grouped = q.shape[1] != k.shape[1]
    params = cuda.SDPAParams(q, k, v, None, 0.0, inputs["causal"] and q.shape[2] > 1, grouped)
    kind = name.removeprefix("sdpa-")
    return bool(getattr(cuda, f"can_use_{kind}_attention")(params, False))
