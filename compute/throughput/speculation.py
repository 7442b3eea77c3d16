"""Speculative decoding: what drafts tokens, how many of them are kept, and its place in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from compute.throughput.feedforward import FeedForward
from compute.throughput.memory import MemoryFit
from compute.throughput.mixers import Mixer
from compute.throughput.model import ModelSpec
from compute.throughput.operators import Operator
from compute.tool import Refused

EAGLE = ("eagle", "eagle3", "eagle-3")
NGRAM = ("ngram", "n-gram", "prompt-lookup")
SIZE = re.compile(r"(\d{1,4}(?:\.\d{1,4})?)\s*([bm])")
USUAL_DRAFTED = {"mtp": 1}  # what the models were trained for; other methods' guides show 3
USUAL = 3
EAGLE_VOCAB = 32_000  # EAGLE-3 heads predict the most frequent tokens only
EAGLE_WIDTH = 3.5  # width of the head's feed-forward in hidden sizes, as in Llama 3.1
EAGLE_FEATURES = 3  # hidden vectors of a low, a middle and a high layer that the head fuses
NEAREST = ("eagle", "mtp", "ngram")

MTP_SOURCE = "DeepSeek-V3 report (arXiv 2412.19437), 5.4.3: 85-90 % of second tokens"
# tokens kept per pass of 7 drafted; solved for the rate that gives them at every place
LONG_MTP_SOURCE = "nebius/MTP-DeepSeek-V3-0324: 3.1 to 3.2 tokens a pass of DeepSeek-V3's own layer"
EAGLE_SOURCE = "nebius/EAGLE3-Llama-3.3-70B-Instruct: 2.8 to 3.6 tokens a pass of EAGLE-3 heads"
DRAFT_SOURCE = "Leviathan et al. 2023 (arXiv 2211.17192), table 2: 0.53-0.75 of a small T5's tokens"


@dataclass(frozen=True)
class Drafting:
    """``drafted`` tokens are checked per pass, ``accepted`` of them kept on average.

    ``model`` drafts them, a pass each; None = n-grams of the text, which cost the GPU nothing.
    ``method`` names what drafts. ``own_format``: its weights come as published, not in the
    target's format. ``shares_head``: it reads the target's output head. ``rate``: chance that a
    drafted token is kept; None where the mean length was given. ``source`` is empty where the
    asker gave either.
    """

    method: str
    drafted: int
    accepted: float
    model: ModelSpec | None
    own_format: bool
    shares_head: bool
    rate: float | None
    source: str

    @property
    def text(self) -> str:
        """As a person would say it: ``an EAGLE-3 head drafts 3 tokens a step; 2.53 come out``."""
        tokens = "1 token" if self.drafted == 1 else f"{self.drafted} tokens"
        return f"{self.method} drafts {tokens} a step; {1 + self.accepted:.3g} come out of it"


def accepted_tokens(drafted: int, rate: float) -> float:
    """Drafted tokens kept on average when each is kept with probability ``rate`` and all after the
    first miss are dropped: the sum of rate^i (Leviathan et al. 2023, equation 1, less one)."""
    return sum(rate**place for place in range(1, drafted + 1))


def plan_drafting(
    model: ModelSpec,
    method: str,
    drafted: int | None,
    rate: float | None,
    length: float | None,
    draft: ModelSpec | None,
) -> Drafting | None:
    """How a request drafts, or None where it does not. Raises ``Refused``.

    ``method`` as typed: mtp, eagle, ngram, a size, or the name whose spec is ``draft``.
    """
    if drafted == 0 or not (drafted or method or rate or length):
        return None
    kind, name, spec = _drafter(model, method.strip().lower(), draft)
    number = drafted or USUAL_DRAFTED.get(kind, USUAL)
    _check_length(number, rate, length)
    source = ""
    if rate is None and length is None:
        rate, source = _usual_rate(kind, number)
    accepted = length - 1.0 if length is not None else accepted_tokens(number, rate or 0.0)
    return Drafting(name, number, accepted, spec, kind != "mtp", kind == "mtp", rate, source)


def _check_length(drafted: int, rate: float | None, length: float | None) -> None:
    if length is None:
        return
    if rate is not None:
        words = "Give the chance (accept) or the acceptance_length, not both"
        raise _refuse(words, "acceptance_length", f"{length:g}")
    if not 1.0 <= length <= drafted + 1:
        raise _refuse(
            f"With {drafted} drafted tokens a pass keeps 1 to {drafted + 1}, its own included",
            "acceptance_length",
            f"{length:g}",
            f"{1 + accepted_tokens(drafted, 0.7):.2g}",
        )


def _drafter(
    model: ModelSpec, method: str, draft: ModelSpec | None
) -> tuple[str, str, ModelSpec | None]:
    """What drafts: its kind, its name and its spec."""
    if draft is not None:
        if draft.active_params >= model.active_params:
            words = f"{draft.name[:60]} is no smaller than {model.name[:60]}: drafting cannot pay"
            raise _refuse(words, "draft_model", draft.id[:60])
        return "model", draft.name[:60], draft
    if method == "mtp" or (not method and model.mtp_layers):
        if not model.mtp_layers:
            words = f"{model.name[:60]}'s config.json has no layers for multi-token prediction"
            raise _refuse(words, "draft_model", method)
        return "mtp", "its MTP layer", _mtp_layer(model)
    if method in ("", *EAGLE):
        return "eagle", "an EAGLE-3 head", _eagle_head(model)
    if method in NGRAM:
        return "ngram", "n-gram matching", None
    if params := head_size(method):
        if params >= model.active_params:
            raise _refuse("That head is no smaller than the model", "draft_model", method)
        return "eagle", f"a head of {method.upper()} weights", _head(model, params)
    words = "I don't know that draft; give eagle, mtp, ngram, a size such as 0.5B, or a model"
    raise _refuse(words, "draft_model", method[:60])


def head_size(method: str) -> int:
    """Weights of a head given by its size (``0.5B``, ``250M``); 0 where the text is none."""
    size = SIZE.fullmatch(method.strip().lower())
    return round(float(size[1]) * (1e9 if size[2] == "b" else 1e6)) if size else 0


def names_model(method: str) -> bool:
    """Whether the draft is a model of its own, whose config has to be known."""
    typed = method.strip().lower()
    return bool(typed) and typed not in ("mtp", *EAGLE, *NGRAM) and not head_size(typed)


def _usual_rate(kind: str, drafted: int) -> tuple[float, str]:
    """The acceptance rate that is published for a method, with its source."""
    if kind == "ngram":
        raise _refuse(
            "How many n-grams come true depends on the text alone: say the chance (accept)",
            "acceptance_rate",
            None,
            "0.3",
        )
    if kind == "mtp":
        return (0.85, MTP_SOURCE) if drafted == 1 else (0.7, LONG_MTP_SOURCE)
    return (0.7, EAGLE_SOURCE) if kind == "eagle" else (0.65, DRAFT_SOURCE)


def _mtp_layer(model: ModelSpec) -> ModelSpec:
    """The model's own extra layer: one like its last, and a projection of two vectors into one."""
    last = model.feed_forwards[-1]
    joined = replace(last, layers=1, params=last.params + 2 * model.hidden**2)
    return _one_layer(model, _one_mixer(model), joined, model.embedding_params)


def _eagle_head(model: ModelSpec) -> ModelSpec:
    """An EAGLE-3 head: an attention layer fed by two vectors, a dense feed-forward, its own head.

    For Llama 3.1 8B this gives 0.44 B weights; the published head has 0.43 B.
    """
    hidden = model.hidden
    mixer = _one_mixer(model)
    params = round((EAGLE_FEATURES + 3 * EAGLE_WIDTH) * hidden**2)
    # query, key and value projections read the token's embedding beside the hidden vector
    attention = replace(mixer, params=2 * mixer.params) if mixer else None
    return _one_layer(model, attention, FeedForward(1, params, 0, 0, 0), EAGLE_VOCAB * hidden)


def _head(model: ModelSpec, params: int) -> ModelSpec:
    """A head of ``params`` weights, all read for every drafted token, with one layer's cache."""
    mixer = _one_mixer(model)
    cache = replace(mixer, params=0) if mixer else None
    return _one_layer(model, cache, FeedForward(1, params, 0, 0, 0), 0)


def _one_mixer(model: ModelSpec) -> Mixer | None:
    """The first layer that keeps a cache: what a head is made like."""
    kept = next((mixer for mixer in model.mixers if mixer.kv_elements and not mixer.window), None)
    kept = kept or next((mixer for mixer in model.mixers if mixer.kv_elements), None)
    return replace(kept, layers=1) if kept else None


def _one_layer(
    model: ModelSpec, mixer: Mixer | None, feed_forward: FeedForward, embedding: int
) -> ModelSpec:
    return replace(
        model,
        layers=1,
        mixers=(mixer,) if mixer else (),
        feed_forwards=(feed_forward,),
        embedding_params=embedding,
        extra_embedding_params=0,
        head_params=0,
        tied=True,
        native_dtype="bf16",
        notes=(),
    )


def beside(
    memory: MemoryFit, draft: MemoryFit, operators: tuple[Operator, ...], shares_head: bool, pp: int
) -> MemoryFit:
    """A copy's memory with its draft in it: weights, and a cache of every sequence."""
    shared = sum(item.weight_bytes for item in operators if item.kind == "head") / pp
    extra = draft.weights - (shared if shares_head else 0.0)
    return replace(
        memory,
        weights=memory.weights + extra,
        pool=memory.pool - extra * memory.engine.cache_share,
        fixed=memory.fixed + draft.fixed,
        kinds=memory.kinds + draft.kinds,
    )


def _refuse(
    message: str, field: str, given: str | None = None, example: str | None = None
) -> Refused:
    draft = field == "draft_model"
    return Refused(
        f"{message}.",
        field=field,
        given=given,
        nearest=tuple(name for name in NEAREST if name != given) if draft else (),
        example=NEAREST[0] if draft else example,
    )
