"""Published throughput measurements, each with its source: for calibration and for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from content.tables import CATALOGUE, Row, read_rows

COLUMNS = (
    "id",
    "source",
    "url",
    "quality",
    "engine",
    "engine_version",
    "gpu",
    "n_gpus",
    "tp",
    "pp",
    "ep",
    "attn_dp",
    "model",
    "model_class",
    "weight_dtype",
    "kv_dtype",
    "isl",
    "osl",
    "concurrency",
    "metric",
    "value",
    "date",
    "notes",
)
METRICS = ("output_tps", "total_tps", "decode_tps_user", "prefill_tps", "ttft_ms")


@dataclass(frozen=True)
class Measurement:
    """One published figure; ``value`` in the unit of ``metric``, ``concurrency`` None = max."""

    id: str
    source: str
    url: str
    quality: str
    engine: str
    engine_version: str
    gpu: str
    n_gpus: int
    tp: int | None
    pp: int | None
    ep: int | None
    attn_dp: int | None
    model: str
    model_class: str
    weight_dtype: str
    kv_dtype: str
    isl: int
    osl: int
    concurrency: int | None
    metric: str
    value: float
    date: str
    notes: str


def load_measurements(path: Path = CATALOGUE / "measurements.csv") -> tuple[Measurement, ...]:
    """Every measurement. Raises ``CatalogueError`` for the first cell that is wrong."""
    return tuple(_measurement(row) for row in read_rows(path, COLUMNS))


def _measurement(row: Row) -> Measurement:
    metric = row.text("metric")
    if metric not in METRICS:
        raise row.wrong("metric", ", ".join(METRICS))
    concurrency = None if row.text("concurrency") == "max" else row.count("concurrency", 1)
    return Measurement(
        id=row.text("id"),
        source=row.text("source"),
        url=row.text("url"),
        quality=row.text("quality"),
        engine=row.text("engine"),
        engine_version=row.maybe("engine_version"),
        gpu=row.text("gpu"),
        n_gpus=row.count("n_gpus", 1),
        tp=row.maybe_count("tp"),
        pp=row.maybe_count("pp"),
        ep=row.maybe_count("ep"),
        attn_dp=row.maybe_count("attn_dp"),
        model=row.text("model"),
        model_class=row.text("model_class"),
        weight_dtype=row.text("weight_dtype"),
        kv_dtype=row.text("kv_dtype"),
        isl=row.count("isl", 1),
        osl=row.count("osl"),
        concurrency=concurrency,
        metric=metric,
        value=row.number_above("value"),
        date=row.text("date"),
        notes=row.maybe("notes"),
    )
