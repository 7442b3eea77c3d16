"""What a PTX text says, parsed: kernels, variables, instructions and their operands."""

from __future__ import annotations

from dataclasses import dataclass, field

BITS = {
    "pred": 1, "b8": 8, "u8": 8, "s8": 8, "b16": 16, "u16": 16, "s16": 16, "f16": 16, "bf16": 16,
    "b32": 32, "u32": 32, "s32": 32, "f32": 32, "f16x2": 32, "bf16x2": 32, "tf32": 32,
    "b64": 64, "u64": 64, "s64": 64, "f64": 64, "b128": 128,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Register:
    """A register of a kernel; ``index`` is its place among the kernel's registers."""

    name: str
    index: int
    bits: int


@dataclass(frozen=True, slots=True)
class Immediate:
    """A number in the text. ``kind``: "int", or "f32" and "f64" where ``value`` holds the bits."""

    value: int
    kind: str = "int"


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable, a parameter or a label."""

    name: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Special:
    """A register of the machine, without its percent sign: ``tid.x``."""

    name: str


@dataclass(frozen=True, slots=True)
class Vector:
    """``{a, b, ...}``."""

    items: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """``a|b``: two results; ``b`` is a predicate."""

    first: Operand
    second: Operand


@dataclass(frozen=True, slots=True)
class Not:
    """``!p``."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class Sink:
    """``_``: a result nobody wants."""


@dataclass(frozen=True, slots=True)
class Address:
    """``[base + offset]``; ``coordinates`` where a tensor is addressed: ``[map, {x, y}]``."""

    base: Operand
    offset: int = 0
    coordinates: tuple[Operand, ...] = ()


Operand = Register | Immediate | Symbol | Special | Vector | Pair | Not | Sink | Address


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. ``guard``: its predicate, and whether it is negated."""

    opcode: str
    parts: tuple[str, ...]
    operands: tuple[Operand, ...]
    line: int
    text: str
    guard: tuple[Register, bool] | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """Memory with a name. ``size`` 0: dynamic shared memory."""

    name: str
    space: str
    align: int
    size: int
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Param:
    """A kernel's parameter and where it lies among all of them, in bytes."""

    name: str
    offset: int
    size: int


@dataclass(slots=True)
class Kernel:
    """An entry. ``labels`` name places in ``body``; ``target`` is its module's."""

    name: str
    target: str = ""
    params: list[Param] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    variables: dict[str, Variable] = field(default_factory=dict)
    body: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Module:
    """A whole text. ``target``: the architecture, "sm_90a"."""

    target: str = ""
    kernels: dict[str, Kernel] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
