"""What a test may make go wrong on the REST side. The gateway's faults live in the gateway."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Literal


@dataclass
class Fault:
    """One fault: which requests it meets and what it does to them.

    ``path`` is a shell pattern over the path after ``/api/v10``. ``skip`` requests pass first, then
    ``times`` requests are hit. ``delay_s`` holds the request before the work is done,
    ``late_s`` holds the answer after it. ``reset`` cuts the connection before or after the work;
    ``after``: the work is done before ``status`` is answered.
    """

    method: str
    path: str
    status: int = 0
    code: int = 0
    retry_after: float = 0.3
    whole_bot: bool = False
    via: bool = True
    reset: Literal["", "before", "after"] = ""
    delay_s: float = 0.0
    late_s: float = 0.0
    times: int = 1
    skip: int = 0
    hits: int = 0
    after: bool = False

    def body(self) -> dict[str, object]:
        """Return the JSON that goes with ``status``."""
        if self.status == 429:
            words = "You are being rate limited."
            return {"message": words, "retry_after": self.retry_after, "global": self.whole_bot}
        return {"message": f"{self.status}: injected by the test", "code": self.code}

    def headers(self) -> dict[str, str]:
        """Return the headers; without ``Via`` the library takes a 429 for a Cloudflare ban."""
        if self.status != 429:
            return {}
        found = {"Retry-After": str(self.retry_after)}
        return found | {"Via": "1.1 google"} if self.via else found


class Faults:
    """The faults still to come, asked once for each request."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Plan a fault; its ``hits`` tell later how often it struck."""
        self.planned.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults."""
        self.planned.clear()

    def meet(self, method: str, path: str) -> Fault | None:
        """Return the fault this request meets, counting it down."""
        for fault in self.planned:
            if fault.method not in ("*", method) or not fnmatch.fnmatchcase(path, fault.path):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            if fault.hits < fault.times:
                fault.hits += 1
                return fault
        return None
