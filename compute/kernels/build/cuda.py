"""CUDA C++ to cubin by NVRTC, cached on disk by content; and how a cubin is launched.

No nvcc, no driver and no GPU are needed to compile. Cubin, not PTX: the PTX of a newer NVRTC is
refused by an older driver, a cubin of the same major version is not.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from compute.kernels.build.emulation import emulated
from compute.kernels.build.emulation import launch as emulation_launch
from compute.kernels.build.tensor_maps import MAP_BYTES, TensorMap
from compute.kernels.operator import Cubin

HERE = Path(__file__).parents[1]
HEADERS = HERE / "cuda"
# Compiled as the architecture's own variant, which has wgmma and TMA.
SPECIFIC = {90: "sm_90a", 100: "sm_100a"}
C_NAME = {
    "float32": "float",
    "float16": "__half",
    "bfloat16": "__nv_bfloat16",
    "float8_e4m3fn": "__nv_fp8_e4m3",
}


class NotCompiled(Exception):
    """NVRTC is missing, or refuses the source; the message is a sentence."""


@dataclass(frozen=True)
class Binary:
    """A compiled kernel: its bytes and its mangled name."""

    cubin: bytes
    symbol: str


@dataclass(frozen=True)
class CudaKernel:
    """A kernel template in CUDA C++. ``entry`` is its name; ``source`` may include common.cuh."""

    entry: str
    source: str

    def binary(self, arch: int, *arguments: str | int) -> Binary:
        """The kernel with these template arguments for ``arch``. Raises ``NotCompiled``."""
        return compiled(self.source, self.expression(*arguments), arch)

    def expression(self, *arguments: str | int) -> str:
        """The kernel with these template arguments, as C++ names it."""
        joined = ", ".join(str(a).lower() if isinstance(a, bool) else str(a) for a in arguments)
        return f"{self.entry}<{joined}>" if arguments else self.entry

    def aot(
        self, arch: int, *arguments: str | int, threads: int, config: dict[str, Any] | None = None
    ) -> Cubin:
        """The same as the registry shows it."""
        binary = self.binary(arch, *arguments)
        return Cubin(
            name=self.entry, cubin=binary.cubin, num_warps=threads // 32, config=config or {}
        )

    def launch(
        self,
        grid: tuple[int, ...],
        threads: int,
        arguments: Sequence[Any],
        *,
        template: Sequence[str | int],
        shared_bytes: int = 0,
    ) -> None:
        """Run it on torch's current stream. ``arguments`` are tensors, tensor maps, or ctypes
        scalars.

        An empty grid launches nothing.
        """
        if 0 in grid:
            return
        if emulated():
            expression = self.expression(*template)
            emulation_launch(self.source, expression, grid, threads, arguments, shared_bytes)
            return
        device, stream = _current()
        kernel = _loaded(self, device, tuple(template), shared_bytes)
        _make_current(device)
        _enqueue(kernel, (*grid, 1, 1)[:3], threads, shared_bytes, stream, arguments)


def compiled(source: str, expression: str, arch: int) -> Binary:
    """From the cache, or compiled now. Raises ``NotCompiled``."""
    key = hashlib.sha256(
        json.dumps([source, expression, arch, versions(), headers_hash()]).encode()
    ).hexdigest()
    path = cache_dir() / f"{key[:40]}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Binary(bytes.fromhex(kept["cubin"]), kept["symbol"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or written half by a process that was killed
    binary = _compile(source, expression, arch)
    _keep(path, json.dumps({"cubin": binary.cubin.hex(), "symbol": binary.symbol}))
    return binary


def _compile(source: str, expression: str, arch: int) -> Binary:
    try:
        core = _core()
    except ImportError as error:
        raise NotCompiled(f"CUDA kernels need cuda-core and NVRTC: {error}.") from None
    options = core.ProgramOptions(
        arch=SPECIFIC.get(arch, f"sm_{arch}"),
        std="c++17",
        include_path=[str(HEADERS), str(HEADERS / "gpu"), *include_folders()],
        device_as_default_execution_space=False,
    )
    try:
        code = core.Program(source, "c++", options).compile("cubin", name_expressions=(expression,))
    except Exception as error:  # NVRTC's own errors have no common class
        raise NotCompiled(f"NVRTC refuses {expression} for sm_{arch}: {error}") from None
    symbols = getattr(code, "symbol_mapping", None) or code._sym_map  # private before 0.5
    symbol = symbols[expression]
    return Binary(bytes(code.code), symbol.decode() if isinstance(symbol, bytes) else symbol)


def _core() -> Any:
    """cuda.core; before 0.5 it was ``cuda.core.experimental``, and images with PyTorch keep what
    they were built with.
    """
    import cuda.core

    if hasattr(cuda.core, "Program"):
        return cuda.core
    return importlib.import_module("cuda.core.experimental")


def include_folders() -> list[str]:
    """Where CUDA's own headers are: the wheels', or a toolkit named by CUDA_HOME."""
    folders: list[str] = []
    try:
        import nvidia

        for root in nvidia.__path__:
            folders += [str(path) for path in sorted(Path(root).glob("*/include"))]
    except ImportError:
        pass
    if home := os.environ.get("CUDA_HOME"):
        folders.append(str(Path(home) / "include"))
    return folders


@cache
def versions() -> tuple[str, ...]:
    """What besides the source decides the code."""
    return tuple(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("cuda-core", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime")
        if _installed(name)
    )


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@cache
def headers_hash() -> str:
    """Of our own headers, which every kernel may include."""
    digest = hashlib.sha256()
    for path in sorted(HEADERS.rglob("*.cuh")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def cache_dir() -> Path:
    """Where compiled kernels are kept; a folder of this user's own under the temporary one when
    there is no home to write to.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "k2c" / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"k2c-kernels-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _keep(path: Path, text: str) -> None:
    """Whole or not at all: two processes may compile the same kernel at once."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem[:8])
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(name, path)


def _current() -> tuple[int, int]:
    """The device, and the handle of torch's current stream."""
    import torch

    return torch.cuda.current_device(), torch.cuda.current_stream().cuda_stream


@lru_cache(maxsize=512)
def _loaded(
    kernel: CudaKernel, device: int, template: tuple[str | int, ...], shared_bytes: int
) -> Any:
    import torch

    major, minor = torch.cuda.get_device_capability(device)
    binary = kernel.binary(major * 10 + minor, *template)
    _make_current(device)
    loaded = _load(binary)
    if shared_bytes > 48 * 1024:
        _allow_shared(loaded, device, shared_bytes)
    return loaded


def _load(binary: Binary) -> Any:
    """The driver's handle. From the driver itself: a kernel of cuda.core shows it only since 0.6.
    Raises ``RuntimeError`` where it refuses.
    """
    from cuda.bindings import driver

    error, library = driver.cuLibraryLoadData(binary.cubin, [], [], 0, [], [], 0)
    if not int(error):
        error, kernel = driver.cuLibraryGetKernel(library, binary.symbol.encode())
    if int(error):
        raise RuntimeError(f"the driver refuses to load {binary.symbol}: {error.name}")
    return kernel


def _make_current(device: int) -> None:
    """The driver launches where this thread's context is; a thread that PyTorch has not used yet
    has none.
    """
    from cuda.bindings import driver

    error, found = driver.cuCtxGetDevice()
    if int(error) or int(found) != device:
        _core().Device(device).set_current()


def _allow_shared(kernel: Any, device: int, shared_bytes: int) -> None:
    """Above 48 KiB a kernel has to ask for its dynamic shared memory."""
    from cuda.bindings import driver

    attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    (error,) = driver.cuKernelSetAttribute(attribute, shared_bytes, kernel, driver.CUdevice(device))
    if int(error):
        raise RuntimeError(f"this GPU gives no block {shared_bytes} bytes of shared memory")


def _enqueue(
    kernel: Any,
    grid: Sequence[int],
    threads: int,
    shared_bytes: int,
    stream: int,
    arguments: Sequence[Any],
) -> None:
    """By the driver itself: cuda.core's launch takes no struct by value. It copies the arguments
    before it returns. Raises ``RuntimeError`` where it refuses.
    """
    from cuda.bindings import driver

    values = [_argument(a) for a in arguments]
    places = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
    (error,) = driver.cuLaunchKernel(
        kernel, *grid, threads, 1, 1, shared_bytes, stream, ctypes.addressof(places), 0
    )
    if int(error):
        raise RuntimeError(f"the driver refuses to launch this kernel: {error.name}")


def _argument(value: Any) -> Any:
    """A tensor's address, a tensor map's bytes, or the ctypes scalar as it is."""
    if isinstance(value, TensorMap):
        return (ctypes.c_char * MAP_BYTES).from_buffer_copy(value.driver_bytes())
    pointer = getattr(value, "data_ptr", None)
    return ctypes.c_void_p(pointer()) if pointer is not None else value
