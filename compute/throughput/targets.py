"""Latency targets as people write them: ``ttft=500ms tpot=30ms``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compute.tool import Refused

TARGET = re.compile(r"(ttft|tpot|itl|tps)\s*(?:<=|<|=|:|\s)\s*(\d+(?:\.\d+)?)\s*(ms|s)?(?![\w.])")
EXAMPLE = "ttft=500ms tpot=30ms"


@dataclass(frozen=True)
class Targets:
    """Upper limits in ms; None where none was given."""

    ttft_ms: float | None
    tpot_ms: float | None

    def held(self, ttft_ms: float, tpot_ms: float) -> bool:
        """Whether both limits hold."""
        return (self.ttft_ms is None or ttft_ms <= self.ttft_ms) and (
            self.tpot_ms is None or tpot_ms <= self.tpot_ms
        )


def parse_targets(text: str) -> Targets:
    """The limits in ``text`` (ms where no unit is given). Raises ``Refused``."""
    lowered = text.strip().lower()
    found: dict[str, float] = {}
    for name, digits, unit in TARGET.findall(lowered):
        limit = "ttft" if name == "ttft" else "tpot"
        if limit in found:
            raise _twice(limit, text)
        number = float(digits)
        if name == "tps" and number > 0 and not unit:
            found[limit] = 1000.0 / number
        elif name != "tps":
            found[limit] = number * (1000.0 if unit == "s" else 1.0)
    rest = re.sub(r"[\s,;]+", "", TARGET.sub("", lowered))
    if rest or (lowered and not found) or any(value <= 0 for value in found.values()):
        raise Refused(
            "I can't read those targets; give ttft, tpot (or tps per user), each with its limit.",
            field="slo",
            given=text[:60],
            nearest=("ttft=500ms", "tpot=30ms", "tps=20"),
            example=EXAMPLE,
        )
    return Targets(found.get("ttft"), found.get("tpot"))


def _twice(limit: str, text: str) -> Refused:
    """Two limits of one kind: tpot, itl and tps all limit the time between tokens."""
    words = "tpot (also itl, tps)" if limit == "tpot" else limit
    return Refused(
        f"There are two limits for {words}: give each once.",
        field="slo",
        given=text[:60],
        example=EXAMPLE,
    )
