"""PTX of a CUDA kernel by NVRTC, with the folders and the language that the project compiles with.
No driver and no GPU are needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from compute.kernels.build.cuda import (
    HEADERS,
    SPECIFIC,
    cache_dir,
    headers_hash,
    include_folders,
    versions,
)


def ptx_of(source: str, expression: str, arch: int, headers: Path = HEADERS) -> tuple[str, str]:
    """The text and the entry's mangled name. Raises ``RuntimeError`` with NVRTC's own log."""
    if headers != HEADERS:
        return _compile(source, expression, arch, headers)
    key = hashlib.sha256(
        json.dumps(["ptx", source, expression, arch, versions(), headers_hash()]).encode()
    ).hexdigest()
    path = cache_dir() / f"{key[:40]}.ptx.json"
    try:
        text, symbol = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        text, symbol = _compile(source, expression, arch, HEADERS)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump([text, symbol], file)
        os.replace(name, path)
    return text, symbol


def _compile(source: str, expression: str, arch: int, headers: Path) -> tuple[str, str]:
    from cuda.bindings import nvrtc

    program = _asked(nvrtc.nvrtcCreateProgram(source.encode(), b"kernel.cu", 0, [], []))
    _asked(nvrtc.nvrtcAddNameExpression(program, expression.encode()))
    target = SPECIFIC.get(arch, f"sm_{arch}").replace("sm_", "compute_")
    folders = [str(headers), str(headers / "gpu"), *include_folders()]
    options = [f"--gpu-architecture={target}", "--std=c++17", *(f"-I{f}" for f in folders)]
    given = [option.encode() for option in options]
    if int(nvrtc.nvrtcCompileProgram(program, len(given), given)[0]):
        log = b" " * _asked(nvrtc.nvrtcGetProgramLogSize(program))
        nvrtc.nvrtcGetProgramLog(program, log)
        raise RuntimeError(f"NVRTC refuses {expression} for {target}: {log.decode()}")
    text = b" " * _asked(nvrtc.nvrtcGetPTXSize(program))
    _asked(nvrtc.nvrtcGetPTX(program, text))
    symbol = _asked(nvrtc.nvrtcGetLoweredName(program, expression.encode()))
    return text.decode().rstrip("\0"), symbol.decode()


def _asked(answer: tuple[Any, ...]) -> Any:
    """What NVRTC gave besides its error code."""
    if int(answer[0]):
        raise RuntimeError(f"NVRTC: {answer[0]}")
    return answer[1] if len(answer) > 1 else None
