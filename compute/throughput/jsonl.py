"""The batch door: one JSON request a line in, one JSON answer a line out, nothing else needed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from compute.throughput.arrange import drafting_of, load_of
from compute.throughput.cases import metric_value
from compute.throughput.deployment import Deployment, deploy
from compute.throughput.dtypes import weight_dtype
from compute.throughput.engines import pick_engine
from compute.throughput.estimate import Question, ask
from compute.throughput.fit import fit_sentence, fits, fixes_for
from compute.throughput.hardware import Device, from_numbers, resolve_gpus
from compute.throughput.library import Library
from compute.throughput.memory import GIB
from compute.throughput.model import ModelSpec, build_model
from compute.throughput.pairing import pairing_note
from compute.throughput.parallel import LAYER_SPLIT, Layout, choose_layout
from compute.throughput.records import Record, read_record
from compute.throughput.serving import Load, Served
from compute.throughput.speculation import Drafting
from compute.throughput.why import bound_of
from compute.throughput.widening import widths_of
from compute.tool import Refused

LONGEST_LINE = 4_000_000


def run_jsonl(in_path: Path, out_path: Path, library: Library | None = None) -> tuple[int, int]:
    """Answer every line of ``in_path`` into ``out_path``: how many got figures, how many can't."""
    with (
        in_path.open(encoding="utf-8", errors="replace") as lines,
        out_path.open("w", encoding="utf-8") as out,
    ):
        return answer_lines(lines, out, library or Library())


def answer_lines(lines: Iterable[str], out: TextIO, library: Library) -> tuple[int, int]:
    """One answer a line into ``out``; a line that can't be answered never stops the rest."""
    answered = impossible = 0
    for line in lines:
        if line.strip():
            answer = answer_line(line, library)
            out.write(json.dumps(answer) + "\n")
            impossible += "error" in answer
            answered += "error" not in answer
    return answered, impossible


def answer_line(line: str, library: Library) -> dict[str, Any]:
    """The answer to one raw line, whatever is in it."""
    if len(line) > LONGEST_LINE:
        return {"id": None, "error": "The line is longer than 4 million characters."}
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {"id": None, "error": "The line is not valid JSON."}
    if not isinstance(record, dict):
        return {"id": None, "error": "The line is not a JSON object."}
    return predict_line(record, library)


def predict_line(record: Mapping[str, Any], library: Library | None = None) -> dict[str, Any]:
    """The answer to one request record: figures, or ``{"id", "error"}`` with a sentence."""
    library = library or Library()
    name = record.get("id")
    answer: dict[str, Any] = {"id": name if isinstance(name, str | int | float) else None}
    try:
        return answer | _predict(read_record(record), library)
    except Refused as refusal:
        return answer | {"error": _sentence(refusal)}
    except Exception as error:  # one record must never take the rest of the file with it
        words = f"The record can't be calculated ({type(error).__name__}); check its figures."
        return answer | {"error": words}


def _sentence(refused: Refused) -> str:
    """A refusal as one line of text."""
    refusal = refused.refusal
    parts = [refusal.message]
    if refusal.given and refusal.given not in refusal.message:
        parts.append(f"Given: {refusal.given}.")
    if refusal.nearest:
        parts.append(f"Closest: {', '.join(refusal.nearest)}.")
    if refusal.fixes:
        parts.append(f"Would fit: {', '.join(fix.label for fix in refusal.fixes)}.")
    return " ".join(parts)


def _predict(record: Record, library: Library) -> dict[str, Any]:
    model = _model(record, library)
    device = _device(record, library)
    load = load_of(record, record.concurrency)
    drafting = drafting_of(record, model, library)
    question = _best(list(_deployments(record, model, device, drafting)), load, library)
    deployment = question.deployment
    if not _thinkable(deployment, load):
        fixes = fixes_for(deployment, load, record.kv_dtype, library.gpus)
        raise Refused(fit_sentence(deployment, load), fixes=tuple(fixes))
    return _answer(record, question, question.served(record.concurrency), library)


def _model(record: Record, library: Library) -> ModelSpec:
    if record.config is not None:
        return build_model(record.model, record.config)
    found = library.models.find(record.model)
    if found is None:
        nearest = tuple(model.id for model in library.models.nearest(record.model))
        message = "The model is not in the catalogue and the record has no config."
        raise Refused(message, field="model", given=record.model[:100], nearest=nearest)
    return library.spec(found.id, found.config)


def _device(record: Record, library: Library) -> Device:
    if not isinstance(record.gpu, str):
        return from_numbers(record.gpu)
    return resolve_gpus(record.gpu.replace(",", " "), library.gpus)[0]


def _deployments(
    record: Record, model: ModelSpec, device: Device, drafting: Drafting | None
) -> Iterator[Deployment]:
    """The split the record states; where it leaves tp open, the usual one and more copies."""
    engine = pick_engine(record.engine, record.weight_dtype, device)
    weights = weight_dtype(record.weight_dtype, model, device, engine.name)
    for layout in _layouts(record, model, device, engine.name):
        yield deploy(model, device, layout, engine, weights, record.kv_dtype, drafting)


def _layouts(record: Record, model: ModelSpec, device: Device, engine: str) -> Iterator[Layout]:
    pp, ep, dp = record.pp or 1, record.ep or 1, record.attn_dp or 1
    if record.tp:
        n_gpus = max(record.n_gpus, record.tp * pp)
        ep = ep if record.tp % ep == 0 and model.is_moe else 1
        dp = dp if record.tp % dp == 0 else 1
        stages = n_gpus // record.tp
        if record.pp is None and 1 < stages <= model.layers:
            yield Layout(record.tp, stages, ep, dp, n_gpus // (record.tp * stages))
            if engine in LAYER_SPLIT:
                return
        yield Layout(record.tp, min(pp, model.layers), ep, dp, n_gpus // (record.tp * pp))
        return
    if pp > 1:
        n_gpus = max(record.n_gpus, pp)
        yield Layout(max(1, n_gpus // pp), min(pp, model.layers), 1, 1, 1)
        return
    usual = choose_layout({}, record.n_gpus, model, device, engine)
    yield usual
    tp, replicas = usual.tp, usual.replicas
    while record.concurrency is None and tp % 2 == 0 and usual.pp == 1:
        tp, replicas = tp // 2, replicas * 2
        yield Layout(tp, 1, 1, 1, replicas)


def _best(choices: list[Deployment], load: Load, library: Library) -> Question:
    """The fastest of the choices that fit; the first where there is only one or none fits."""
    asked = [ask(deployment, load, library.parameters) for deployment in choices]
    fitting = [question for question in asked if fits(question.deployment, load)]
    if len(asked) == 1 or not fitting:
        return asked[0]
    return max(fitting, key=lambda question: question.served(None).total_tps)


def _thinkable(deployment: Deployment, load: Load) -> bool:
    """Whether it fits once an engine is told to take all of the memory."""
    memory = deployment.memory
    needed = memory.weights + memory.sequence(load.isl + load.osl)
    return needed <= memory.usable


def _answer(record: Record, question: Question, served: Served, library: Library) -> dict[str, Any]:
    deployment, load = question.deployment, question.load
    memory, layout = deployment.memory, deployment.layout
    value = metric_value(record.metric, served)
    widths = widths_of(deployment, load, library.evidence, library.parameters)
    around = widths.around(record.metric, value)
    notes = [*record.notes, *deployment.model.notes, f"{layout.text}, {deployment.engine.name}"]
    if deployment.drafting is not None:
        notes.append(deployment.drafting.text)
    if unusual := pairing_note(deployment.engine, deployment.device):
        notes.append(unusual)
    if load.cached:
        notes.append(f"{load.cached:,} of {load.isl:,} prompt tokens from the prefix cache")
    if not fits(deployment, load):
        notes.append(fit_sentence(deployment, load))
    answer = {
        "value": around.value,
        "low": around.low,
        "high": around.high,
        "fits": fits(deployment, load),
        "max_concurrency": question.capacity,
        "bound": bound_of(served.step if load.osl else served.prompt),
        "ttft_ms": served.ttft_s * 1e3,
        "tpot_ms": served.tpot_s * 1e3,
        "output_tps": served.output_tps,
        "output_tps_per_gpu": served.output_tps / (memory.gpus * layout.replicas),
        "decode_tps_user": 1.0 / served.tpot_s,
        "mem": {
            "weights_gib": memory.weights * memory.gpus / GIB,
            "kv_gib_per_seq": memory.whole_sequence(load.isl + load.osl) / GIB,
            "overhead_gib": memory.overhead / GIB,
        },
        "notes": notes,
    }
    if not math.isfinite(value) or value <= 0:
        raise Refused(f"{record.metric} has no value where no token is generated (osl 0).")
    return answer
