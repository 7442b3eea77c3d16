"""Shapes as people type them: ``4096x4096, 16384x8192`` or ``M=16,N=4096``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod

from compute.bench.index import Dims, Listed
from compute.inputs import shown
from compute.tool import Refused

MOST_SHAPES = 16
MOST_DIM = 2**31 - 1
TOKEN = re.compile(r"[^\s,;]+")
SIZE = re.compile(r"(\d+)([km]?)", re.IGNORECASE)
FACTOR = {"": 1, "k": 2**10, "m": 2**20}
# Dimensions that make a problem longer without changing what it is.
LENGTHS = ("M", "N", "K", "T", "B", "SQ", "SK", "TOK")


def parse_shapes(text: str, op: Listed) -> list[Dims]:
    """The shapes of ``text``, each once, in order. Raises ``Refused`` at the first wrong word."""
    found: list[Dims] = []
    for dims in _shapes(text, op):
        check_dims(dims, op)
        if dims not in found:
            found.append(dims)
    if not found:
        raise _wrong(text, op, "There is no shape in that.")
    if len(found) > MOST_SHAPES:
        raise _wrong(
            f"{len(found)} shapes", op, f"At most {MOST_SHAPES} shapes are measured in one run."
        )
    return found


def _shapes(text: str, op: Listed) -> Iterator[Dims]:
    """``K=1`` words are gathered until a name comes again; ``4096x8`` is a shape of its own."""
    gathered: dict[str, int] = {}
    for match in TOKEN.finditer(text.replace("×", "x")):
        token = match[0]
        name, equals, value = token.partition("=")
        if not equals:
            if gathered:
                yield _whole(gathered, op)
                gathered = {}
            yield _positional(token, op)
            continue
        name = _dimension(name, token, op)
        if name in gathered:
            yield _whole(gathered, op)
            gathered = {}
        gathered[name] = _size(value, token, op)
    if gathered:
        yield _whole(gathered, op)


def _positional(token: str, op: Listed) -> Dims:
    sizes = [_size(part, token, op) for part in re.split(r"[x*]", token, flags=re.IGNORECASE)]
    if len(sizes) != len(op.dims):
        order = "x".join(op.dims)
        raise _wrong(
            token, op, f"{op.name} takes {len(op.dims)} sizes ({order}), this has {len(sizes)}."
        )
    return dict(zip(op.dims, sizes, strict=True))


def _dimension(name: str, token: str, op: Listed) -> str:
    for dimension in op.dims:
        if name.casefold() == dimension.casefold():
            return dimension
    raise _wrong(token, op, f"{op.name} has no size {shown(name, 20)}: {', '.join(op.dims)}.")


def _whole(gathered: Mapping[str, int], op: Listed) -> Dims:
    missing = [name for name in op.dims if name not in gathered]
    if missing:
        given = ",".join(f"{name}={size}" for name, size in gathered.items())
        raise _wrong(given, op, f"{op.name} also needs {', '.join(missing)}.")
    return {name: gathered[name] for name in op.dims}


def _size(text: str, token: str, op: Listed) -> int:
    match = SIZE.fullmatch(text)
    size = int(match[1][:12]) * FACTOR[match[2].lower()] if match else -1
    if not 0 <= size <= MOST_DIM:
        raise _wrong(token, op, f"{shown(text, 20)!r} is not a size of at most {MOST_DIM:,}.")
    return size


def check_dims(dims: Dims, op: Listed) -> None:
    """Raises ``Refused`` for sizes that cannot belong together."""
    for name, size in dims.items():
        if size < 1 and name not in ("causal", "interleaved"):
            raise _wrong(op.text(dims), op, f"With {name} = 0 there is nothing to time.")
    for sentence, holds in _rules(dims, op):
        if not holds:
            raise _wrong(op.text(dims), op, sentence)


def _rules(d: Dims, op: Listed) -> Iterator[tuple[str, bool]]:
    """Sentences that must hold; which of them apply follows from the names of the sizes."""
    if "causal" in d:
        yield "causal is 0 or 1.", d["causal"] in (0, 1)
    for heads in ("H", "HQ"):
        if heads in d and "HK" in d:
            yield f"{heads} must be a multiple of HK.", d[heads] % d["HK"] == 0
    if {"T", "HQ", "D"} <= d.keys():
        yield "D must be even: it is rotated in pairs.", d["D"] % 2 == 0
    if "TOK" in d and "B" in d:
        yield "TOK is the sum over B sequences: at least one token each.", d["TOK"] >= d["B"]
    if "G_used" in d:
        yield "G_used is at most G and at most T.", d["G_used"] <= min(d["G"], d["T"])
    elif {"M", "N", "K", "G"} <= d.keys():
        yield "K must be a multiple of the group size G, and even.", d["K"] % max(d["G"], 2) == 0
    if op.name == "topk_softmax":
        yield "K, the number chosen, is at most N.", d["K"] <= d["N"]


def example_of(op: Listed) -> str:
    """One right example: the two largest shapes of the suite of real models."""
    shapes = list(op.suites.get("models") or op.suites["smoke"])
    largest = sorted(shapes, key=lambda dims: prod(dims[n] for n in op.dims if n in LENGTHS))
    return ", ".join(op.text(dims) for dims in largest[-2:])


def smaller(dims: Dims) -> Dims | None:
    """The same problem with its largest length halved, None where it cannot be; where queries and
    keys are as long as each other they stay so.
    """
    lengths = [name for name in LENGTHS if dims.get(name, 0) > 1 and _halves(name, dims)]
    if not lengths:
        return None
    largest = max(dims[name] for name in lengths)
    halved = {name for name in lengths if dims[name] == largest}
    first = {next(name for name in lengths if name in halved)}
    chosen = {"SQ", "SK"} if {"SQ", "SK"} <= halved else first
    return {name: size // 2 if name in chosen else size for name, size in dims.items()}


def _halves(name: str, dims: Dims) -> bool:
    """A group size or a number of experts still fits after halving ``name``."""
    half = dims[name] // 2
    if name == "K":
        return half % max(dims.get("G", 2), 2) == 0 and "T" not in dims
    if name == "T" and "G_used" in dims:
        return half >= dims["G_used"]
    return not (name == "TOK" and half < dims.get("B", 1))


def _wrong(given: str, op: Listed, sentence: str) -> Refused:
    return Refused(sentence, field="shapes", given=shown(given), example=example_of(op))
