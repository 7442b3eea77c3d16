"""What the running bot itself knows, for the commands whose answer is read from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compute.tool import Refused
from content.library import Library

if TYPE_CHECKING:  # `k2c throughput` needs none of the queue
    from bot.jobs.words import Live

NO_WORKER = (
    "No worker is set up here, so nothing can be run. Whoever operates this bot starts one with "
    "`k2c up`, or attaches a GPU as docs/attach-a-gpu.md says."
)


@dataclass(frozen=True, slots=True)
class House:
    """One for the process. ``runs`` is None where no queue could be had."""

    runs: Live | None = None
    library: Library = field(default_factory=Library)

    def need_runs(self) -> Live:
        """The runs. Raises ``Refused`` where there is no queue."""
        if self.runs is None:
            raise Refused(NO_WORKER)
        return self.runs
