"""Whether a result is right: against float64, by norm, by element, and by where its NaNs are.

A bare absolute tolerance passes zeros: a softmax over 393,216 columns has no value above 4e-6.
"""

from __future__ import annotations

from typing import Any

import torch

from compute.kernels.build.places import interpreted
from compute.kernels.operator import Backend, Inputs, Operator, Verdict

# Half the distance of 1.0 to the next value: what one rounding costs.
UNIT = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8, "float8_e4m3fn": 2.0**-4}
# Triton's interpreter truncates to bf16 (0.8 u where a GPU's rounding costs 0.4).
INTERPRETER_FACTOR = 2.0
ELEMENT_UNITS = 8.0
ELEMENT_LEAST = 2.0**-20
SUBNORMAL_STEPS = 4.0
LARGE_LOGIT = 500.0  # the rounding of such a one is 3e-5
LARGE_LOGIT_SLACK = 200.0
SUBNORMAL = {"float32": 2.0**-149, "float16": 2.0**-24, "bfloat16": 2.0**-133}


def judge(
    operator: Operator, inputs: Inputs, got: Any, want: Any, dtype: str, slack: float = 1.0
) -> Verdict:
    """The verdict on ``got`` for ``inputs`` whose float64 result is ``want``; ``slack`` widens
    the limit (``slack_of``).
    """
    own = operator.judge or compare
    return own(operator, inputs, got, want, dtype, slack)


def slack_of(backend: Backend) -> float:
    """How much wider the limit is here: twice for Triton where its interpreter truncates."""
    return INTERPRETER_FACTOR if backend == "triton" and interpreted() else 1.0


def compare(
    operator: Operator, inputs: Inputs, got: Any, want: Any, dtype: str, slack: float
) -> Verdict:
    """Every tensor of the result by the general rule; the worst one counts."""
    pairs = list(zip(as_tuple(got), as_tuple(want), strict=True))
    if not pairs:
        return Verdict(0.0, 0.0, "there is no result")
    name = operator.result_dtype(dtype)
    verdicts = [compare_tensor(operator, g, w, name, slack) for g, w in pairs]
    return max(verdicts, key=lambda v: (not v.right, v.error))


def judge_logits(
    operator: Operator, inputs: Inputs, got: Any, want: Any, dtype: str, slack: float
) -> Verdict:
    """The general rule for attention; fp32 logits in the hundreds and thousands are rounded by
    2^-24 of themselves before the exponential, which moves the weights by as much.
    """
    q = inputs["q"].float()
    k = inputs["k" if "k" in inputs else "k_cache"].float().nan_to_num()
    lengths = [t.norm(dim=-1).max().item() if t.numel() else 0.0 for t in (q.nan_to_num(), k)]
    if dtype == "float32" and lengths[0] * lengths[1] * abs(inputs["scale"]) > LARGE_LOGIT:
        slack *= LARGE_LOGIT_SLACK
    return compare(operator, inputs, got, want, dtype, slack)


def compare_tensor(
    operator: Operator, got: torch.Tensor, want: torch.Tensor, name: str, slack: float = 1.0
) -> Verdict:
    """One tensor against its float64 values."""
    allowed = slack * allowed_error(operator, name)
    if got.shape != want.shape:
        return Verdict(float("inf"), allowed, f"the shape is {list(got.shape)}")
    if got.dtype != getattr(torch, name):
        return Verdict(float("inf"), allowed, f"the dtype is {got.dtype}")
    got64, want64 = got.to(torch.float64), want.to(torch.float64)
    if not torch.equal(got64.isnan(), want64.isnan()):
        return Verdict(float("inf"), allowed, "NaN stands in other places")
    return _finite(got64, want64, allowed, name)


def allowed_error(operator: Operator, name: str) -> float:
    """The limit of the relative Frobenius error for results of dtype ``name``."""
    rule = operator.tolerance
    factor = rule.fp32_factor if name == "float32" else 1.0
    return max(rule.units * UNIT[name], rule.floor) * factor


def _finite(got: torch.Tensor, want: torch.Tensor, allowed: float, name: str) -> Verdict:
    # A value that does not fit the dtype is infinite in the result, whatever float64 says.
    most = torch.finfo(getattr(torch, name)).max
    fits = want.abs() <= most * (1 + UNIT[name])
    wrong_inf = got.isinf() & fits & ~want.isnan()
    if bool(wrong_inf.any()):
        return Verdict(float("inf"), allowed, "a value is infinite that would fit")
    seen = fits & got.isfinite() & want.isfinite()
    difference = torch.where(seen, got - want, 0.0)
    known = torch.where(seen, want, 0.0)
    norm = float(known.norm())
    error = float(difference.norm()) / norm if norm else float(difference.norm() > 0)
    if error > allowed:
        return Verdict(error, allowed, f"relative error {error:.1e}, allowed {allowed:.1e}")
    row = known.pow(2).mean(-1, keepdim=True).sqrt() if known.dim() else known.abs()
    least = SUBNORMAL_STEPS * SUBNORMAL.get(name, 0.0)
    factor = max(1.0, allowed / max(UNIT[name], ELEMENT_LEAST))
    room = ELEMENT_UNITS * factor * max(UNIT[name], ELEMENT_LEAST) * (known.abs() + row) + least
    if bool((difference.abs() > room).any()):
        return Verdict(error, allowed, "single elements are far off")
    return Verdict(error, allowed)


def as_tuple(result: Any) -> tuple[Any, ...]:
    """The tensors of a result."""
    return tuple(result) if isinstance(result, tuple | list) else (result,)
