"""Every configuration that Triton launchers offer, in the interpreter on one awkward problem;
``python -m tests.compute.kernels.offered OP...`` prints how many were tried, and the wrong ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from compute.kernels.judging import judge, slack_of
from compute.kernels.operator import Operator
from compute.kernels.plans.choosing import Choice, Config, trying
from compute.kernels.registry import operators

# Odd sizes: every mask is at work. Small: a tile costs as much however little is in it.
PROBLEMS = {
    "softmax": {"M": 3, "N": 5001},
    "vector_add": {"N": 9001},
    "silu_and_mul": {"M": 3, "N": 4099},
    "gemm": {"M": 33, "N": 72, "K": 130},
    "scaled_mm": {"M": 33, "N": 72, "K": 144},
    "int4_linear": {"M": 5, "N": 70, "K": 256, "G": 128},
    "paged_decode_attention": {"B": 2, "H": 4, "HK": 2, "D": 64, "TOK": 150},
    "attention": {"B": 1, "H": 2, "HK": 1, "SQ": 70, "SK": 131, "D": 64, "causal": 1},
}
BUCKETS = {
    "softmax": ("8192 columns", "131072 columns"),
    "vector_add": ("small",),
    "silu_and_mul": ("small",),
    "gemm": ("large", "medium", "small", "skinny", "large-ragged"),
    "scaled_mm": ("large", "medium", "small", "skinny"),
    "int4_linear": ("few 128", "some 128", "many 128"),
    "paged_decode_attention": ("64",),
    "attention": ("64 many", "64 some", "64 few"),
}


def wrong(operator: Operator, choice: Choice, dtype: str) -> Iterator[tuple[Config, str]]:
    """Each configuration once, with what is wrong with its values, "" where nothing is."""
    inputs = operator.make_inputs(PROBLEMS[operator.name], dtype, 3, "cpu")
    want = operator.reference(**inputs)
    run = operator.implementations["triton"]
    every = [c for b in BUCKETS[operator.name] for c in choice.offered(dtype, 90, b)]
    for config in dict.fromkeys(every):
        with trying(choice, config):
            got = run(**inputs)
        verdict = judge(operator, inputs, got, want, dtype, slack_of("triton"))
        yield config, verdict.why


def main(names: list[str]) -> int:
    """Print the count, then a line for each that is wrong."""
    tried = 0
    lines = []
    for name in names:
        operator = operators()[name]
        choice = operator.implementations["triton"].choice
        assert choice is not None
        dtype = "bfloat16" if "bfloat16" in operator.dtypes else operator.dtypes[0]
        for config, why in wrong(operator, choice, dtype):
            tried += 1
            lines += [f"{name} {choice.named(config)}: {why}"] if why else []
    sys.stdout.write("\n".join([f"{tried} configurations", *lines]) + "\n")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
