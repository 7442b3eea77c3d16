"""Which configuration a launch takes: one that is being tried, one that was tuned on this GPU, or
else the operator's own table. Nothing is searched while anybody waits for a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from compute.kernels.build.places import arch_of, multiprocessors
from compute.kernels.operator import Cubin, Dims
from compute.kernels.plans.tuned import TunedSet, tuned_on

if TYPE_CHECKING:
    import torch

Config = tuple[int, ...]
# Multiprocessors of the full-size data-centre or workstation card of each architecture (A100, L40S,
# H100 SXM, B200), for plans made without one.
PROCESSORS = {80: 108, 89: 142, 90: 132, 100: 148}


@dataclass(frozen=True, eq=False)  # the same only as itself: its hash is taken at every launch
class Choice:
    """What the launcher of one implementation may choose.

    ``fields`` names the numbers of a configuration. ``bucket`` gives the row of the table that
    dimensions, a dtype and a count of multiprocessors fall into; ``usual`` the configuration of
    the table for a dtype, an architecture (0 on a CPU) and a bucket; ``offered`` all that are worth
    a try, the usual one among them; ``cubin`` compiles one. Raises what compiling raises.
    """

    operator: str
    implementation: str
    fields: tuple[str, ...]
    bucket: Callable[[Dims, str, int], str]
    usual: Callable[[str, int, str], Config]
    offered: Callable[[str, int, str], Sequence[Config]]
    cubin: Callable[[str, int, str, Config], Cubin]

    def taken(self, tensor: torch.Tensor, dtype: str, bucket: str) -> Config:
        """For a launch on the device of ``tensor``."""
        trial = _trials().get((self.operator, self.implementation))
        if trial is not None:
            return trial
        arch = arch_of(tensor)
        if tensor.is_cuda:  # not while an architecture is played on a CPU
            found = _tuned(self, tensor.device.index or 0, dtype, arch, bucket)
            if found is not None:
                return found
        return self.usual(dtype, arch, bucket)

    def named(self, config: Config) -> dict[str, int]:
        """The numbers by their names."""
        return dict(zip(self.fields, config, strict=True))

    def tuned(self, kept: TunedSet, dtype: str, arch: int, bucket: str) -> Config | None:
        """What ``kept`` has for this choice; a configuration that is offered no longer counts as
        none, whoever wrote the file.
        """
        named = kept.get((self.operator, self.implementation, dtype, bucket))
        if named is None or set(named) != set(self.fields):
            return None
        config = tuple(named[field] for field in self.fields)
        return config if config in self.offered(dtype, arch, bucket) else None


@contextmanager
def trying(choice: Choice, config: Config) -> Iterator[None]:
    """Launches within take ``config``, whatever their shape."""
    trials, key = _trials(), (choice.operator, choice.implementation)
    before = trials.get(key)
    trials[key] = config
    try:
        yield
    finally:
        if before is None:
            del trials[key]
        else:
            trials[key] = before


@cache
def _trials() -> dict[tuple[str, str], Config]:
    """By operator and implementation: one process measures one thing at a time."""
    return {}


@cache
def _tuned(choice: Choice, index: int, dtype: str, arch: int, bucket: str) -> Config | None:
    """Looked up once: afterwards a launch pays for one dictionary."""
    import torch

    return choice.tuned(tuned_on(torch.cuda.get_device_name(index)), dtype, arch, bucket)


def tuned_for(choice: Choice | None, dims: Dims, dtype: str) -> str:
    """``BLOCK=4096 num_warps=16`` where a launch on this process's GPU takes a tuned
    configuration; "" where it takes the table's.
    """
    import torch

    if choice is None or not torch.cuda.is_available():
        return ""
    index = torch.cuda.current_device()
    major, minor = torch.cuda.get_device_capability(index)
    bucket = choice.bucket(dims, dtype, multiprocessors(index))
    config = _tuned(choice, index, dtype, major * 10 + minor, bucket)
    return "" if config is None else " ".join(f"{k}={v}" for k, v in choice.named(config).items())


def forget_tuned() -> None:
    """Read the files anew, after one was written."""
    _tuned.cache_clear()
    tuned_on.cache_clear()
