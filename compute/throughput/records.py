"""A batch request as it stands in a file: optional fields, plain numbers, nothing trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from compute.throughput.parallel import parse_parallel
from compute.throughput.request import (
    MAX_CONCURRENCY,
    MAX_DRAFTED,
    MAX_GPUS,
    MAX_TOKENS,
    Engine,
    GpuNumbers,
    ThroughputRequest,
)
from compute.tool import Refused
from content.measurements import METRICS

ENGINES = get_args(Engine)
MOST_TEXT = 200
USUAL_ISL, USUAL_OSL = 1024, 512  # where a record leaves them out, as in the request


@dataclass(frozen=True)
class Record:
    """One request. ``concurrency`` None = max; a split of None = choose."""

    gpu: str | GpuNumbers
    model: str
    config: Mapping[str, Any] | None
    n_gpus: int
    tp: int | None
    pp: int | None
    ep: int | None
    attn_dp: int | None
    weight_dtype: str
    kv_dtype: str
    isl: int
    osl: int
    concurrency: int | None
    engine: str
    metric: str
    notes: tuple[str, ...]
    prefix_cache_hit_rate: float = 0.0
    num_speculative_tokens: int | None = None
    draft_model: str = ""
    acceptance_rate: float | None = None
    acceptance_length: float | None = None


def read_record(record: Mapping[str, Any]) -> Record:
    """A request from a JSON object. Raises ``Refused`` naming the field."""
    record = _full_names(record)
    config = record.get("config")
    if config is not None and not isinstance(config, dict):
        raise _refuse("config", config, "an object, the model's config.json")
    engine = _text(record, "engine").lower()
    tp, pp = _count(record, "tp", MAX_GPUS), _count(record, "pp", MAX_GPUS)
    n_gpus = _count(record, "n_gpus", MAX_GPUS) or (tp or 1) * (pp or 1)
    model = _text(record, "model")
    if not model and config is None:
        raise _refuse("model", model, "a model's id, or give its config")
    return Record(
        gpu=_gpu(record.get("gpu")),
        model=model or "config.json",
        config=config,
        n_gpus=n_gpus,
        tp=tp,
        pp=pp,
        ep=_count(record, "ep", MAX_GPUS),
        attn_dp=_count(record, "attn_dp", MAX_GPUS),
        weight_dtype=_text(record, "weight_dtype"),
        kv_dtype=_text(record, "kv_dtype"),
        isl=max(1, _length(record, "isl", USUAL_ISL)),
        osl=_length(record, "osl", USUAL_OSL),
        concurrency=_concurrency(record),
        engine=engine if engine in ENGINES else "auto",
        metric=_metric(record),
        notes=() if engine in ENGINES or not engine else (f"engine {engine[:40]} not known: auto",),
        prefix_cache_hit_rate=_number(record, "prefix_cache_hit_rate", 0.0, 1.0) or 0.0,
        num_speculative_tokens=_count(record, "num_speculative_tokens", MAX_DRAFTED, least=0),
        draft_model=_text(record, "draft_model"),
        acceptance_rate=_number(record, "acceptance_rate", 0.0, 1.0),
        acceptance_length=_number(record, "acceptance_length", 1.0, MAX_DRAFTED + 1.0),
    )


def _full_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record under full names: short ones (``batch``) and ``parallel`` mean the same here."""
    short = {info.alias: field for field, info in ThroughputRequest.model_fields.items()}
    found = {short.get(name) or name: value for name, value in record.items()}
    split = parse_parallel(_text(found, "parallel"))
    named = {"attn_dp" if name == "dp" else name: size for name, size in split.items()}
    return {**named, **{name: value for name, value in found.items() if value is not None}}


def _refuse(field: str, value: Any, allowed: str) -> Refused:
    return Refused(f"{field} must be {allowed}.", field=field, given=repr(value)[:60])


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise _refuse(field, value, f"a text of at most {MOST_TEXT} characters")
    return value.strip()


def _count(record: Mapping[str, Any], field: str, most: int, least: int = 1) -> int | None:
    value = record.get(field)
    if value is None or value == "":
        return None
    whole = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not whole or value != int(value) or not least <= value <= most:
        raise _refuse(field, value, f"a whole number from {least} to {most:,}")
    return int(value)


def _number(record: Mapping[str, Any], field: str, least: float, most: float) -> float | None:
    value = record.get(field)
    if value is None or value == "":
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most:
        raise _refuse(field, value, f"a number from {least:g} to {most:g}")
    return float(value)


def _length(record: Mapping[str, Any], field: str, usual: int) -> int:
    value = _count(record, field, MAX_TOKENS, least=0)
    return usual if value is None else value


def _concurrency(record: Mapping[str, Any]) -> int | None:
    if record.get("concurrency") == "max":
        return None
    return _count(record, "concurrency", MAX_CONCURRENCY) or 1


def _metric(record: Mapping[str, Any]) -> str:
    metric = _text(record, "metric") or "output_tps"
    if metric not in METRICS:
        raise _refuse("metric", metric, ", ".join(METRICS))
    return metric


def _gpu(value: Any) -> str | GpuNumbers:
    if isinstance(value, str) and value.strip():
        return value[:MOST_TEXT]
    if not isinstance(value, dict):
        raise _refuse("gpu", value, "a GPU's name, or an object with mem_gb, mem_bw_gbs and rates")
    named = {**value, "name": str(value.get("name") or value.get("gpu") or "custom GPU")[:60]}
    named = {key: item for key, item in named.items() if item not in ("", None)}
    try:
        return GpuNumbers.model_validate(named)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise _refuse(f"gpu.{field}", first.get("input"), first["msg"].lower()) from error
