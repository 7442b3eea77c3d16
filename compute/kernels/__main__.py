"""``python -m compute.kernels bench ...`` and ``check ...``: the two ways to run the kernels."""

from __future__ import annotations

import runpy
import sys

# By name: the kernels know nothing of what measures them.
PARTS = {"bench": "compute.bench", "check": "compute.kernels.checking"}


def main(argv: list[str]) -> int:
    """Hand on to the part that the first word names."""
    if not argv or argv[0] not in PARTS:
        sys.stderr.write(f"python -m compute.kernels {{{','.join(PARTS)}}} ...\n")
        return 2
    sys.argv = [f"{sys.argv[0]} {argv[0]}", *argv[1:]]
    runpy.run_module(PARTS[argv[0]], run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
