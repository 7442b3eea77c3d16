"""CUDA C++ on a CPU: the same source through g++, so that its values are checked without a GPU.

On where K2C_CUDA_ON_CPU=1 stands in the environment, as TRITON_INTERPRET=1 is for Triton. It says
whether results are right; its times mean nothing and are never shown.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from compute.kernels.build.tensor_maps import MAP_BYTES, TensorMap

SWITCH = "K2C_CUDA_ON_CPU"
PLAYED = "K2C_CUDA_ARCH"  # the architecture whose kernels are chosen, such as 90
COMPILE_S = 120.0
WRAPPER = """
#include <utility>
extern "C" int k2c_launch(unsigned x, unsigned y, unsigned z, unsigned threads, size_t shared,
                          void** arguments) {{
  k2c::Call call{{arguments, [](void** a) {{
    k2c::call_with([](auto... v) {{ {entry}(v...); }}, &{entry}, a);
  }}}};
  return k2c::launch(x, y, z, threads, shared, call);
}}
extern "C" const char* k2c_trouble() {{ return k2c::trouble; }}
"""


def emulated() -> bool:
    """Whether CUDA kernels run on the CPU here."""
    return os.environ.get(SWITCH) == "1"


def emulated_arch() -> int:
    """Compute capability times 10 of the GPU that is played; 0 where none in particular."""
    return int(os.environ.get(PLAYED) or 0) if emulated() else 0


def why_not() -> str | None:
    """What is missing for it, or None."""
    return None if shutil.which("g++") else "checking CUDA kernels without a GPU needs g++"


def launch(
    source: str,
    expression: str,
    grid: tuple[int, ...],
    threads: int,
    arguments: Sequence[Any],
    shared_bytes: int,
) -> None:
    """Run every block, one after the other. Raises ``RuntimeError`` for what a GPU would punish:
    a barrier that only some threads of a block reach, a copy that nobody waits for.
    """
    library = _library(source, expression)
    values = [_value(a) for a in arguments]
    pointers = (ctypes.c_void_p * len(values))(
        *(ctypes.cast(ctypes.pointer(v), ctypes.c_void_p) for v in values)
    )
    x, y, z = (*grid, 1, 1)[:3]
    if library.k2c_launch(x, y, z, threads, ctypes.c_size_t(shared_bytes), pointers):
        library.k2c_trouble.restype = ctypes.c_char_p
        raise RuntimeError(f"{expression}: {library.k2c_trouble().decode()}")


def _value(argument: Any) -> Any:
    if isinstance(argument, TensorMap):
        return (ctypes.c_char * MAP_BYTES).from_buffer_copy(argument.emulated_bytes())
    pointer = getattr(argument, "data_ptr", None)
    return ctypes.c_void_p(pointer()) if pointer is not None else argument


@cache
def _library(source: str, expression: str) -> ctypes.CDLL:
    from compute.kernels.build.cuda import HEADERS, cache_dir, headers_hash, include_folders

    text = source + WRAPPER.format(entry=expression)
    key = hashlib.sha256(f"{text}{headers_hash()}".encode()).hexdigest()[:40]
    path = cache_dir() / f"{key}.so"
    if not path.exists():
        folders = [str(HEADERS / "emulated"), str(HEADERS), *include_folders()]
        _build(text, path, folders)
    return ctypes.CDLL(str(path))


def _build(text: str, path: Path, folders: Sequence[str]) -> None:
    made = path.with_suffix(f".{os.getpid()}.tmp")
    command = ["g++", "-std=c++17", "-O2", "-w", "-shared", "-fPIC", "-U_FORTIFY_SOURCE"]
    command += [f"-I{folder}" for folder in folders]
    done = subprocess.run(
        [*command, "-x", "c++", "-", "-o", str(made)],
        input=text,
        capture_output=True,
        text=True,
        timeout=COMPILE_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"g++ refuses this kernel: {done.stderr.strip()[:2000]}")
    os.replace(made, path)
