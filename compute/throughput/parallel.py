"""How the GPUs split a model: tensor, pipeline, expert and attention-data parallel, copies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compute.throughput.hardware import Device
from compute.throughput.model import ModelSpec
from compute.tool import Fix, Refused

NODE = 8
PART = re.compile(r"(tp|pp|ep|dp)\s*=?\s*(\d{1,4})")
EXAMPLE = "tp4xpp2"
LAYER_SPLIT = ("llama.cpp", "ollama", "exllamav2")


@dataclass(frozen=True)
class Layout:
    """``tp`` x ``pp`` GPUs hold one copy of the model; ``replicas`` copies share the load.

    ``ep`` groups of experts and ``attn_dp`` groups of sequences divide the same ``tp`` GPUs.
    """

    tp: int
    pp: int
    ep: int
    attn_dp: int
    replicas: int

    @property
    def text(self) -> str:
        """As people write it: TP8, TP4xPP2, TP8 EP8."""
        parts = [f"TP{self.tp}"] + ([f"PP{self.pp}"] if self.pp > 1 else [])
        words = ["x".join(parts)]
        if self.ep > 1:
            words.append(f"EP{self.ep}")
        if self.attn_dp > 1:
            words.append(f"DP{self.attn_dp} attention")
        return " ".join(words) + (f", {self.replicas} copies" if self.replicas > 1 else "")


def parse_parallel(text: str) -> dict[str, int]:
    """``tp4xpp2`` -> {"tp": 4, "pp": 2}. Raises ``Refused`` for anything else."""
    compact = re.sub(r"[\s,x*+]+", " ", text.strip().lower())
    found: dict[str, int] = {}
    rest = PART.sub("", compact).strip()
    for name, digits in PART.findall(compact):
        if name in found or int(digits) < 1:
            rest = "?"
        found[name] = int(digits)
    if rest or (text.strip() and not found):
        raise _refuse("I can't read that split", text)
    return found


def _refuse(message: str, given: str) -> Refused:
    return Refused(
        f"{message}; write for example tp8, tp4xpp2, tp8xep8 or tp8xdp8.",
        field="parallel",
        given=given[:40],
        nearest=("tp2", "tp4xpp2", "tp8xep8"),
        example=EXAMPLE,
    )


def _too_few(needed: int, n_gpus: int, given: str, model: ModelSpec, *, whole: bool) -> Refused:
    """A split over more GPUs than were given: as many where it is ``whole``, or one they allow."""
    split = f"tp{_largest(n_gpus, min(n_gpus, NODE), model.q_heads)}"
    fixes = [Fix(label=f"Use {split}", changes={"parallel": split})]
    if whole:
        fixes.insert(0, Fix(label=f"Use {needed} GPUs", changes={"n_gpus": needed}))
    return Refused(
        f"That split needs {needed} GPUs and there are {n_gpus}.",
        field="parallel",
        given=given,
        nearest=(split,),
        example=split,
        fixes=tuple(fixes),
    )


def choose_layout(
    wanted: dict[str, int], n_gpus: int, model: ModelSpec, device: Device, engine: str
) -> Layout:
    """The split asked for, completed; or the usual one. Raises ``Refused`` if it cannot be."""
    if not wanted:
        return _usual(n_gpus, model, engine)
    ep, dp = wanted.get("ep", 1), wanted.get("dp", 1)
    pp = wanted.get("pp", 1)
    tp = wanted.get("tp")
    if tp is None:
        tp = max(1, n_gpus // pp) if "pp" not in wanted or ep > 1 or dp > 1 else 1
        tp = tp if engine not in LAYER_SPLIT or pp == 1 else max(1, n_gpus // pp)
    _check(tp, pp, ep, dp, n_gpus, model)
    return Layout(tp, pp, ep, dp, n_gpus // (tp * pp))


def _check(tp: int, pp: int, ep: int, dp: int, n_gpus: int, model: ModelSpec) -> None:
    given = f"tp{tp}" + (f"xpp{pp}" if pp > 1 else "")
    if tp * pp > n_gpus:
        whole = model.q_heads % max(1, tp // dp) == 0 and pp <= model.layers
        raise _too_few(tp * pp, n_gpus, given, model, whole=whole)
    if n_gpus % (tp * pp):
        raise _refuse(f"{n_gpus} GPUs can't be divided into groups of {tp * pp}", given)
    if tp % dp or model.q_heads % (tp // dp) or tp // dp > model.q_heads:
        raise _refuse(
            f"{model.q_heads} attention heads can't be divided by {tp // max(1, dp)}", given
        )
    if pp > model.layers:
        raise _refuse(f"{model.layers} layers can't be divided into {pp} stages", given)
    if ep > 1 and not model.is_moe:
        raise _refuse(f"{model.name[:60]} has no experts to divide", f"ep{ep}")
    if tp % ep:
        raise _refuse(f"{tp} GPUs can't be divided into {ep} expert groups", f"ep{ep}")


def _usual(n_gpus: int, model: ModelSpec, engine: str) -> Layout:
    """Tensor parallel inside a node, stages across nodes; llama.cpp splits by layers."""
    if engine in LAYER_SPLIT:
        pp = _largest(n_gpus, min(n_gpus, model.layers), 1)
        return Layout(1, pp, 1, 1, n_gpus // pp)
    tp = _largest(n_gpus, min(n_gpus, NODE), model.q_heads)
    pp = _largest(n_gpus // tp, min(n_gpus // tp, model.layers, NODE), 1)
    return Layout(tp, pp, 1, 1, n_gpus // (tp * pp))


def _largest(n_gpus: int, most: int, heads: int) -> int:
    """The largest divisor of ``n_gpus`` up to ``most`` that also divides ``heads`` (1 = any)."""
    for size in range(most, 1, -1):
        if n_gpus % size == 0 and (heads == 1 or heads % size == 0):
            return size
    return 1
