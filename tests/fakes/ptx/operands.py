"""PTX text as words, and words as operands."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.fakes.ptx.program import (
    Address,
    Immediate,
    Not,
    Operand,
    Pair,
    Register,
    Sink,
    Special,
    Symbol,
    Vector,
)

WORD = re.compile(
    r'"[^"]*"'
    r"|0[fF][0-9a-fA-F]{8}(?![\w.])|0[dD][0-9a-fA-F]{16}(?![\w.])"
    r"|0[xX][0-9a-fA-F]+U?|\d+\.\d*(?:[eE][-+]?\d+)?|\d+U?(?!\w)"
    r"|[.%$A-Za-z_][\w.$%]*(?:::[\w.]+)*"
    r"|[^\s]"
)
Named = Callable[[str], Register | Symbol | None]


class Tokens:
    """Words with the lines they stand in."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words: list[str] = []
        self._lines: list[int] = []
        self._ends: list[int] = []
        begin = 0
        for number, line in enumerate(text.split("\n"), 1):
            for found in WORD.finditer(line):
                self._words.append(found[0])
                self._ends.append(begin + found.end())
            self._lines += [number] * (len(self._words) - len(self._lines))
            begin += len(line) + 1
        self._at = 0

    def mark(self) -> int:
        """The place of the word taken last, for ``since``."""
        return self._ends[self._at - 1] - len(self._words[self._at - 1])

    def since(self, mark: int) -> str:
        """The text from there to the word taken last, on one line."""
        return " ".join(self._text[mark : self._ends[self._at - 1]].split())

    @property
    def line(self) -> int:
        """Of the word taken last."""
        return self._lines[self._at - 1] if self._at else 1

    def peek(self, ahead: int = 0) -> str | None:
        """A word to come; None after the last."""
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else None

    def take(self) -> str:
        """The next word."""
        if self._at >= len(self._words):
            raise ValueError("the text ends within a statement")
        self._at += 1
        return self._words[self._at - 1]

    def expect(self, word: str) -> None:
        """The next word, which has to be this one."""
        if (got := self.take()) != word:
            raise ValueError(f"line {self.line}: {got} stands where {word} has to")


def operand_of(tokens: Tokens, named: Named) -> Operand:
    """The next operand."""
    first = _single(tokens, named)
    if tokens.peek() == "|":
        tokens.take()
        return Pair(first, _single(tokens, named))
    return first


def _single(tokens: Tokens, named: Named) -> Operand:
    word = tokens.take()
    if word == "{":
        return Vector(_until(tokens, named, "}"))
    if word == "(":
        return Vector(_until(tokens, named, ")"))
    if word == "[":
        return _address(tokens, named)
    if word == "!":
        return Not(_single(tokens, named))
    if word == "_":
        return Sink()
    if word == "-":
        return _negative(tokens)
    if word[0].isdigit():
        return _immediate(word)
    return _name(word, tokens, named)


def _until(tokens: Tokens, named: Named, end: str) -> tuple[Operand, ...]:
    items = []
    while tokens.peek() != end:
        items.append(operand_of(tokens, named))
        if tokens.peek() == ",":
            tokens.take()
    tokens.take()
    return tuple(items)


def _address(tokens: Tokens, named: Named) -> Address:
    base = _single(tokens, named)
    offset = 0
    coordinates: tuple[Operand, ...] = ()
    while (word := tokens.take()) != "]":
        if word in "+-":
            number = -_integer(tokens.take()) if tokens.peek() == "-" and tokens.take() else None
            number = _integer(tokens.take()) if number is None else number
            offset += number if word == "+" else -number
        elif word == ",":
            rest = _single(tokens, named)
            coordinates = (*coordinates, *(rest.items if isinstance(rest, Vector) else (rest,)))
    if isinstance(base, Symbol) and base.offset:
        base, offset = Symbol(base.name), offset + base.offset
    return Address(base, offset, coordinates)


def _name(word: str, tokens: Tokens, named: Named) -> Operand:
    known = named(word)
    if isinstance(known, Register):
        return known
    if known is None and word == "WARP_SZ":
        return Immediate(32)
    if known is None and word.startswith("%"):
        return Special(word[1:])
    symbol = known or Symbol(word)
    if tokens.peek() in ("+", "-") and (tokens.peek(1) or "x")[0].isdigit():
        sign = 1 if tokens.take() == "+" else -1
        return Symbol(symbol.name, sign * _integer(tokens.take()))
    return symbol


def _integer(word: str) -> int:
    word = word.rstrip("U")
    return int(word, 8) if re.fullmatch(r"0[0-7]+", word) else int(word, 0)


def _immediate(word: str) -> Immediate:
    if word[1:2] in ("f", "F") and len(word) == 10:
        return Immediate(int(word[2:], 16), "f32")
    if word[1:2] in ("d", "D") and len(word) == 18:
        return Immediate(int(word[2:], 16), "f64")
    if "." in word:
        return _double(float(word))
    return Immediate(_integer(word))


def _negative(tokens: Tokens) -> Immediate:
    word = tokens.take()
    return _double(-float(word)) if "." in word else Immediate(-_integer(word))


def _double(value: float) -> Immediate:
    import struct

    return Immediate(int.from_bytes(struct.pack("<d", value), "little"), "f64")
