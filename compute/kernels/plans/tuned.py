"""Configurations that won a measurement, kept in JSON: which GPU, versions, date, and by how much.

Two folders are read: ``tuned`` beside this file, which is shipped, then the user's own, which wins.
The user's is in the cache folder because a worker's child sees no other folder of its owner.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

SHIPPED = Path(__file__).with_name("tuned")
MOST_BYTES = 4 * 2**20
FORMAT = 1
COMPILERS = {"triton": "triton", "cuda": "nvidia-cuda-nvrtc"}  # whose version decides the code

Key = tuple[str, str, str, str]  # operator, implementation, dtype, bucket
TunedSet = Mapping[Key, Mapping[str, int]]


@dataclass(frozen=True)
class Winner:
    """One configuration that was faster than the table's, beyond doubt. Times in milliseconds:
    ``median_ms`` [``q1_ms``, ``q3_ms``] against the table's ``usual_ms``, at ``shape``.
    """

    operator: str
    implementation: str
    dtype: str
    bucket: str
    config: dict[str, int]
    usual: dict[str, int]
    shape: str
    median_ms: float
    q1_ms: float
    q3_ms: float
    usual_ms: float
    compiler: str
    torch: str = ""
    driver: str = ""
    version: str = ""
    date: str = ""

    @property
    def key(self) -> Key:
        """What it is for."""
        return (self.operator, self.implementation, self.dtype, self.bucket)


@dataclass(frozen=True)
class TunedFile:
    """All winners of one kind of GPU."""

    gpu: str
    winners: tuple[Winner, ...] = ()


def own_folder() -> Path:
    """The user's own."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "k2c" / "tuned"


def file_of(gpu: str, folder: Path) -> Path:
    """``NVIDIA-H100-80GB-HBM3.json``."""
    return folder / (re.sub(r"[^A-Za-z0-9]+", "-", gpu).strip("-")[:80] + ".json")


def read(path: Path) -> TunedFile | None:
    """None where there is no file, or none that this version understands."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        return _understood(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def _understood(document: Any) -> TunedFile:
    """By hand: the kernels run where PyTorch and Triton are, and need nothing else. Raises
    what the wrong kind of value raises where it is used.
    """
    if document["format"] != FORMAT or not isinstance(document["gpu"], str):
        raise ValueError("a file of another version")
    return TunedFile(document["gpu"], tuple(map(_winner, document["winners"])))


def _winner(found: Mapping[str, Any]) -> Winner:
    kinds = get_type_hints(Winner)
    known = {name: found[name] for name in kinds if name in found}
    winner = Winner(**known)
    for name, value in known.items():
        if kinds[name] is str and not isinstance(value, str):
            raise TypeError(f"{name} is no text")
        if kinds[name] is float and not value > 0:
            raise ValueError(f"{name} is no time")
    for config in (winner.config, winner.usual):
        if not all(type(number) is int for number in config.values()):
            raise TypeError("a configuration is whole numbers by name")
    return winner


@cache
def tuned_on(gpu: str, folders: Sequence[Path] | None = None) -> TunedSet:
    """Configurations by what they are for; those of another compiler version are left out: other
    code has other registers, and what won may spill now.
    """
    found: dict[Key, Mapping[str, int]] = {}
    for folder in folders or (SHIPPED, own_folder()):
        kept = read(file_of(gpu, folder))
        if kept is None or kept.gpu != gpu:
            continue
        found |= {
            winner.key: winner.config
            for winner in kept.winners
            if winner.compiler == compiler_of(winner.implementation)
        }
    return found


def store(gpu: str, winners: Iterable[Winner], folder: Path) -> Path:
    """Add ``winners`` to the GPU's file, in place of older ones for the same; its path.

    Raises ``OSError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = file_of(gpu, folder)
    before = read(path)
    kept = {w.key: w for w in (before.winners if before else ())}
    kept |= {w.key: w for w in winners}
    document = TunedFile(gpu=gpu, winners=tuple(kept[key] for key in sorted(kept)))
    handle, name = tempfile.mkstemp(dir=folder, prefix=path.stem[:8])
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps({"format": FORMAT, **asdict(document)}, indent=1) + "\n")
    os.replace(name, path)  # whole or not at all: a launch may read it now
    return path


@cache
def compiler_of(implementation: str) -> str:
    """``triton 3.7.1``, "" where it is not installed."""
    package = COMPILERS.get(implementation, implementation)
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return ""
