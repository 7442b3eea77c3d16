"""The child of a worker under test: the real one, with other tools."""

from __future__ import annotations

from compute.worker.child import main
from tests.fakes.worker_tools import load

if __name__ == "__main__":
    main(load)
