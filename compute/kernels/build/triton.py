"""Triton kernels to cubin, ahead of time and without a GPU, as the launcher would compile them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compute.kernels.build.places import interpreted
from compute.kernels.operator import Cubin

TL_NAME = {
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "fp8e4nv",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "int8": "i8",
}


def aot(
    kernel: Any,
    arch: int,
    arguments: Mapping[str, str],
    constants: Mapping[str, Any],
    *,
    divisible: Sequence[str] = (),
    num_warps: int = 4,
    num_stages: int = 3,
) -> Cubin:
    """``kernel`` (a ``triton.jit`` function) for ``arch``.

    ``arguments`` gives each run-time argument's type (``*bf16``, ``i32``, ``fp32``);
    ``divisible`` those that the launcher promises to be multiples of 16 (pointers: aligned):
    without it the same code loads 2 bytes at a time.
    """
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    if interpreted():
        raise RuntimeError("Triton was imported as an interpreter; it compiles nothing")
    names = [name for name in kernel.arg_names if name not in constants]
    places = {name: kernel.arg_names.index(name) for name in names}
    signature = {name: arguments[name] for name in names}
    signature |= dict.fromkeys(constants, "constexpr")
    attributes = {(places[name],): [["tt.divisibility", 16]] for name in divisible}
    source = ASTSource(kernel, signature, dict(constants), attributes)
    options = {"num_warps": num_warps, "num_stages": num_stages}
    built = compile(source, target=GPUTarget("cuda", arch, 32), options=options)
    return Cubin(
        name=kernel.fn.__name__,
        cubin=built.asm["cubin"],
        num_warps=built.metadata.num_warps,  # specialised ones included
        config={
            **constants,
            "num_warps": num_warps,
            "num_stages": num_stages,
            "shared_bytes": built.metadata.shared,  # dynamic: the cubin does not say
        },
    )


def pointer(dtype: str) -> str:
    """Triton's name for a pointer to torch's ``dtype``."""
    return f"*{TL_NAME[dtype]}"


def described(dtype: str, block: Sequence[int]) -> str:
    """Triton's name for a tensor descriptor of torch's ``dtype`` that moves ``block`` at a time."""
    return f"tensordesc<{TL_NAME[dtype]}[{', '.join(map(str, block))}]>"
