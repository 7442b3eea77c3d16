"""What may be measured next, one press away: the operator's other shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compute.bench.asked import understand
from compute.bench.index import Listed, listed
from compute.bench.presets import EXPLAIN, OFFERED, PHASES, SUITES
from compute.bench.request import BenchRequest
from compute.tool import Fix, Refused

GROUP = "Shapes"
MOST = 25  # entries of a menu in Discord
WORDS = {
    "smoke": "smoke: one small shape",
    "models": "models: shapes of real models",
    "sweep": "sweep: small to large, for the chart",
    EXPLAIN: "explain: compiled code, no measuring",
}


def offers(request: BenchRequest) -> tuple[Fix, ...]:
    """Presets that this operator has and this request is not, each checked as if it were asked."""
    op = listed().get(request.op.strip().lower())
    if op is None:
        return ()
    now = request.preset.strip().lower() or ("" if request.shapes.strip() else "sweep")
    names = [name for name in dict.fromkeys(_names(op)) if name != now]
    fitting = [name for name in names if _fits(request, name)]
    return tuple(
        Fix(
            label=WORDS.get(name, name),
            changes={"preset": name, "shapes": ""},
            optional=True,
            group=GROUP,
        )
        for name in fitting[:MOST]
    )


def _names(op: Listed) -> Iterator[str]:
    yield from (name for name in SUITES if name in op.suites)
    yield EXPLAIN
    yield from op.presets
    for model in OFFERED:
        short = model.rpartition("/")[2].lower()
        yield from (f"{short} {phase}" for phase in PHASES)


def _fits(request: BenchRequest, preset: str) -> bool:
    changes: dict[str, Any] = {"preset": preset, "shapes": ""}
    try:
        understand(request.model_copy(update=changes))
    except Refused:
        return False
    return True
