"""Every kind of arithmetic instruction against numbers worked out with Python's own."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from fractions import Fraction

import pytest

from tests.fakes.ptx.snippets import computed

INTS = [0, 1, 2, 7, 100, 2**31 - 1, 2**31, 2**31 + 5, 2**32 - 1, 2**32 - 7, 0xDEADBEEF, 0x12345678]
PAIRS = [(a, b) for a in INTS for b in INTS]
FLOATS = [0.0, -0.0, 1.0, -1.5, 3.0, 1e-40, 1e30, -7.25e-12, 65504.0, math.inf, -math.inf, math.nan]


def signed(value: int, bits: int = 32) -> int:
    value %= 2**bits
    return value - 2**bits if value >= 2 ** (bits - 1) else value


def toward_zero(a: int, b: int) -> int:
    size = abs(a) // abs(b)
    return size if (a < 0) == (b < 0) else -size


def bits32(value: float) -> int:
    return int.from_bytes(struct.pack("<f", value), "little")


def float32(bits: int) -> float:
    found: float = struct.unpack("<f", (bits % 2**32).to_bytes(4, "little"))[0]
    return found


S = signed
INTEGERS: dict[str, Callable[[int, int], int]] = {
    "add.s32 d, a, b": lambda a, b: a + b,
    "sub.u32 d, a, b": lambda a, b: a - b,
    "mul.lo.s32 d, a, b": lambda a, b: a * b,
    "mul.hi.s32 d, a, b": lambda a, b: S(a) * S(b) >> 32,
    "mul.hi.u32 d, a, b": lambda a, b: a * b >> 32,
    "div.s32 d, a, b": lambda a, b: toward_zero(S(a), S(b)) if b else -1,
    "rem.s32 d, a, b": lambda a, b: S(a) - toward_zero(S(a), S(b)) * S(b) if b else a,
    "div.u32 d, a, b": lambda a, b: a // b if b else -1,
    "rem.u32 d, a, b": lambda a, b: a % b if b else a,
    "min.s32 d, a, b": lambda a, b: min(S(a), S(b)),
    "max.u32 d, a, b": lambda a, b: max(a, b),
    "and.b32 d, a, b": lambda a, b: a & b,
    "or.b32 d, a, b": lambda a, b: a | b,
    "xor.b32 d, a, b": lambda a, b: a ^ b,
    "shl.b32 d, a, b": lambda a, b: a << b if b < 32 else 0,
    "shr.u32 d, a, b": lambda a, b: a >> b if b < 32 else 0,
    "shr.s32 d, a, b": lambda a, b: S(a) >> min(b, 31),
    "shf.l.wrap.b32 d, a, b, 5": lambda a, b: (b << 32 | a) << 5 >> 32,
    "shf.r.clamp.b32 d, a, b, 40": lambda a, b: b,
    "shf.r.wrap.b32 d, a, b, 33": lambda a, b: (b << 32 | a) >> 1,
    "mad.lo.s32 d, a, b, a": lambda a, b: a * b + a,
    "mad.hi.u32 d, a, b, b": lambda a, b: (a * b >> 32) + b,
    "lop3.b32 d, a, b, 15, 0xE8": lambda a, b: (a & b) | (a & 15) | (b & 15),
    "prmt.b32 d, a, b, 0x5410": lambda a, b: a & 0xFFFF | (b & 0xFFFF) << 16,
    "prmt.b32 d, a, b, 0x8": lambda a, b: (0xFF if a & 128 else 0) | (a & 255) * 0x1010100,
    "prmt.b32.b4e d, a, b, 1": lambda a, b: (
        a >> 8 & 255 | (a & 255) << 8 | (b >> 24) << 16 | (b >> 16 & 255) << 24
    ),
    "bfi.b32 d, a, b, 8, 12": lambda a, b: b & ~0xFFF00 | (a & 0xFFF) << 8,
    "bfe.u32 d, a, 8, 12": lambda a, b: a >> 8 & 0xFFF,
    "bfe.s32 d, a, 4, 6": lambda a, b: S((a >> 4 & 63) << 26) >> 26,
    "selp.b32 d, a, b, 1": lambda a, b: a,
    "sad.u32 d, a, b, 3": lambda a, b: abs(a - b) + 3,
    "abs.s32 d, a": lambda a, b: abs(S(a)),
    "neg.s32 d, a": lambda a, b: -a,
    "not.b32 d, a": lambda a, b: ~a,
    "popc.b32 d, a": lambda a, b: a.bit_count(),
    "clz.b32 d, a": lambda a, b: 32 - a.bit_length(),
    "bfind.u32 d, a": lambda a, b: a.bit_length() - 1,
    "brev.b32 d, a": lambda a, b: int(f"{a:032b}"[::-1], 2),
    "dp4a.u32.u32 d, a, b, 9": lambda a, b: 9 + sum(
        (a >> s & 255) * (b >> s & 255) for s in (0, 8, 16, 24)
    ),
    "cvt.s32.s8 d, a": lambda a, b: S(a, 8),
    "cvt.u32.u16 d, a": lambda a, b: a & 0xFFFF,
    "cvt.sat.u8.s32 d, a": lambda a, b: min(255, max(0, S(a))),
    "cvt.sat.s16.s32 d, a": lambda a, b: min(32767, max(-32768, S(a))),
}  # fmt: skip


@pytest.mark.parametrize("instruction", INTEGERS)
def test_integers(instruction: str) -> None:
    a, b = ([pair[i] for pair in PAIRS] for i in (0, 1))
    got = computed(instruction, "b32", ("b32", a), ("b32", b))
    assert got == [INTEGERS[instruction](x, y) % 2**32 for x, y in PAIRS]


WIDE = [0, 1, 2**63, 2**64 - 1, 0x123456789ABCDEF0, 2**64 - 12345, 2**32, 99]
LONG: dict[str, Callable[[int, int], int]] = {
    "add.s64 d, a, b": lambda a, b: a + b,
    "mul.lo.s64 d, a, b": lambda a, b: a * b,
    "mul.hi.u64 d, a, b": lambda a, b: a * b >> 64,
    "mul.hi.s64 d, a, b": lambda a, b: S(a, 64) * S(b, 64) >> 64,
    "div.s64 d, a, b": lambda a, b: toward_zero(S(a, 64), S(b, 64)) if b else -1,
    "rem.u64 d, a, b": lambda a, b: a % b if b else a,
    "shr.s64 d, a, 9": lambda a, b: S(a, 64) >> 9,
    "shl.b64 d, a, 70": lambda a, b: 0,
    "max.s64 d, a, b": lambda a, b: max(S(a, 64), S(b, 64)),
    "bfi.b64 d, a, b, 40, 30": lambda a, b: b & ~(2**64 - 2**40) | (a & (2**30 - 1)) << 40,
}


@pytest.mark.parametrize("instruction", LONG)
def test_long_integers(instruction: str) -> None:
    pairs = [(a, b) for a in WIDE for b in WIDE]
    got = computed(
        instruction, "b64", ("b64", [p[0] for p in pairs]), ("b64", [p[1] for p in pairs])
    )
    if "bfi" in instruction:  # 40 + 30 bits reach past the end
        mask = (2**30 - 1) << 40 & (2**64 - 1)
        assert got == [b & ~mask | (a << 40) & mask for a, b in pairs]
    else:
        assert got == [LONG[instruction](a, b) % 2**64 for a, b in pairs]


def test_carries_join_registers_to_longer_sums() -> None:
    a, b = [p[0] for p in PAIRS], [p[1] for p in PAIRS]
    add = ".reg .b32 t; add.cc.u32 t, a, b; addc.u32 d, a, b"
    got = computed(add, "b32", ("b32", a), ("b32", b))
    assert got == [((x << 32 | x) + (y << 32 | y)) >> 32 & 2**32 - 1 for x, y in PAIRS]
    subtract = ".reg .b32 t; sub.cc.u32 t, b, a; subc.cc.u32 t, a, a; subc.u32 d, a, b"
    got = computed(subtract, "b32", ("b32", a), ("b32", b))
    exact = [(x << 64 | x << 32 | y) - (y << 64 | x << 32 | x) for x, y in PAIRS]
    assert got == [value >> 64 & 2**32 - 1 for value in exact]


def test_products_are_wider_than_their_factors() -> None:
    a, b = [p[0] for p in PAIRS], [p[1] for p in PAIRS]
    got = computed("mul.wide.s32 d, a, b", "b64", ("b32", a), ("b32", b))
    assert got == [S(x) * S(y) % 2**64 for x, y in PAIRS]
    got = computed("mad.wide.u16 d, a, b, 7", "b32", ("b16", a), ("b16", b))
    assert got == [(x % 2**16) * (y % 2**16) + 7 for x, y in PAIRS]


COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "lt": lambda a, b: a < b,
    "ne": lambda a, b: a < b or a > b,
    "neu": lambda a, b: a != b,
    "geu": lambda a, b: not a < b,
    "num": lambda a, b: a == a and b == b,
    "nan": lambda a, b: a != a or b != b,
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_of_floats_know_nan(name: str) -> None:
    pairs = [(a, b) for a in FLOATS for b in FLOATS]
    columns = [("f32", [bits32(p[i]) for p in pairs]) for i in (0, 1)]
    got = computed(f"setp.{name}.f32 d, a, b", "pred", *columns)
    exact = [(float32(bits32(a)), float32(bits32(b))) for a, b in pairs]
    assert got == [int(COMPARISONS[name](a, b)) for a, b in exact]


def exact_fma(a: float, b: float, c: float) -> int:
    """The float32 nearest to a b + c."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    near = bits32(float(exact)) if exact else 0
    return min((near - 1, near, near + 1), key=lambda n: (abs(Fraction(float32(n)) - exact), n & 1))


def test_a_fused_product_is_rounded_once() -> None:
    triples = [(1 + 2**-12, 1 + 2**-12, -1.0), (3.1, 2.7, -8.37), (1e10, 1e-10, 3e-8)]
    numbers = [tuple(float32(bits32(v)) for v in t) for t in triples]
    columns = [("f32", [bits32(t[i]) for t in numbers]) for i in range(3)]
    got = computed("fma.rn.f32 d, a, b, c", "b32", *columns)
    assert got == [exact_fma(*t) for t in numbers]
    assert got[0] != bits32(float32(bits32(numbers[0][0] ** 2)) - 1.0)


@pytest.mark.parametrize(
    ("instruction", "given", "bits"),
    [
        ("min.f32 d, a, 0f3F800000", math.nan, 0x3F800000),
        ("min.NaN.f32 d, a, 0f3F800000", math.nan, 0x7FC00000),
        ("max.f32 d, a, 0f80000000", 0.0, 0),
        ("max.f32 d, a, 0f00000000", -0.0, 0),
        ("ex2.approx.ftz.f32 d, a", 5.0, 0x42000000),
        ("ex2.approx.ftz.f32 d, a", -130.0, 0),
        ("ex2.approx.f32 d, a", -130.0, 0x00080000),
        ("rcp.rn.f32 d, a", 3.0, 0x3EAAAAAB),
        ("sqrt.rn.f32 d, a", 2.0, 0x3FB504F3),
        ("div.rn.f32 d, 0f3F800000, a", 10.0, 0x3DCCCCCD),
        ("div.approx.f32 d, 0f3F800000, a", 2.0**127, 0),
        ("neg.f32 d, a", 0.0, 0x80000000),
        ("add.sat.f32 d, a, a", 3.0, 0x3F800000),
        ("cvt.rni.s32.f32 d, a", 2.5, 2),
        ("cvt.rni.s32.f32 d, a", -3.5, -4),
        ("cvt.rzi.s32.f32 d, a", -3.9, -3),
        ("cvt.rzi.s32.f32 d, a", 1e20, 2**31 - 1),
        ("cvt.rzi.s32.f32 d, a", -1e20, -(2**31)),
        ("cvt.rzi.u32.f32 d, a", -5.0, 0),
        ("cvt.rni.s32.f32 d, a", math.nan, 0),
        ("cvt.rmi.f32.f32 d, a", -0.5, 0xBF800000),
        ("cvt.rna.tf32.f32 d, a", float32(0x3F801000), 0x3F802000),
    ],
)
def test_floats(instruction: str, given: float, bits: int) -> None:
    assert computed(instruction, "b32", ("f32", [bits32(given)])) == [bits % 2**32]


@pytest.mark.parametrize(
    ("instruction", "columns", "bits"),
    [
        # 1 + 2^-9 and 1 + 3 * 2^-8 are ties in bf16: to even.
        ("cvt.rn.bf16x2.f32 d, a, b", (0x3F808000, 0x3F818000), 0x3F803F82),
        ("cvt.rn.f16x2.f32 d, a, b", (bits32(65520.0), bits32(2.0**-25)), 0x7C000000),
        ("cvt.rn.f16x2.f32 d, a, b", (bits32(-1.0), bits32(6e-8)), 0xBC000001),
        ("fma.rn.bf16x2 d, a, b, a", (0x3F80BF80, 0x40004000), 0x4040C040),
        ("add.f16x2 d, a, b", (0x3C003C00, 0x3C001000), 0x40003C00),
        ("mul.bf16x2 d, a, b", (0x3F81C000, 0x3F814040), 0x3F82C0C0),
        ("max.bf16x2 d, a, b", (0x7FC03F80, 0x3F80BF80), 0x3F803F80),
        ("max.NaN.bf16x2 d, a, b", (0x7FC03F80, 0x3F80BF80), 0x7FFF3F80),
        ("neg.bf16x2 d, a", (0x3F808000, 0), 0xBF800000),
        ("abs.f16x2 d, a", (0xBC008000, 0), 0x3C000000),
    ],
)
def test_pairs_of_halves(instruction: str, columns: tuple[int, int], bits: int) -> None:
    got = computed(instruction, "b32", *(("b32", [c]) for c in columns))
    assert [hex(v) for v in got] == [hex(bits)]


def test_eight_bit_floats_are_rounded_and_held() -> None:
    pairs = [(1.0, 0.5), (449.0, -1e9), (0.0009765625, 0.0029296875), (17.0, 19.0), (-0.0, 2.0)]
    columns = [("f32", [bits32(p[i]) for p in pairs]) for i in (0, 1)]
    got = computed("cvt.rn.satfinite.e4m3x2.f32 d, a, b", "b16", *columns)
    assert [hex(v) for v in got] == ["0x3830", "0x7efe", "0x2", "0x585a", "0x8040"]
    back = computed("cvt.rn.f16x2.e4m3x2 d, a", "b32", ("b16", got))
    assert [hex(v) for v in back] == [
        "0x3c003800",
        "0x5f00df00",
        "0x1c00",
        "0x4c004d00",
        "0x80004000",
    ]
