"""PTX text to a ``Module``."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from tests.fakes.ptx.operands import Tokens, operand_of
from tests.fakes.ptx.program import (
    BITS,
    Instruction,
    Kernel,
    Module,
    Param,
    Register,
    Symbol,
    Variable,
)

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
SPACES = ("shared", "global", "const", "local", "param")
LINKAGE = (".visible", ".weak", ".extern", ".common")


class BadText(ValueError):
    """What the parser does not understand, with its line."""


def parse(text: str) -> Module:
    """Raises ``BadText``."""
    plain = COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    lines = [
        "" if line.split(maxsplit=1)[:1] in ([".loc"], [".file"]) else line
        for line in plain.split("\n")
    ]
    return _Parser(lines).module()


@dataclass
class _Scope:
    """Names between two braces; labels are the machine's names of the labels written here."""

    registers: dict[str, Register]
    labels: dict[str, str]
    variables: dict[str, str]


class _Parser:
    def __init__(self, lines: list[str]) -> None:
        self.tokens = Tokens("\n".join(lines))
        self.made = Module()
        self.kernel = Kernel("")
        self.scopes: list[_Scope] = []
        self.unique = 0

    # --- the module ---

    def module(self) -> Module:
        while (word := self.tokens.peek()) is not None:
            self._directive(word)
        return self.made

    def _directive(self, word: str) -> None:
        take = self.tokens.take
        take()
        if word == ".version":
            take()
        elif word == ".target":
            self.made.target = take()
            while self.tokens.peek() == ",":
                take(), take()
        elif word == ".address_size":
            take()
        elif word in LINKAGE:
            return
        elif word in (".entry", ".func"):
            self._function(word)
        elif word[1:] in SPACES:
            self._variable(word[1:], self.made.variables)
        elif word in (".section", ".alias", ".pragma"):
            self._skip()
        else:
            raise BadText(f"line {self.tokens.line}: {word} is not understood")

    def _skip(self) -> None:
        """To the semicolon, or past the braces that come first."""
        depth = 0
        while (word := self.tokens.take()) != ";" or depth:
            depth += (word == "{") - (word == "}")
            if word == "}" and not depth:
                return

    def _function(self, word: str) -> None:
        if word == ".func":  # calls are refused, so nothing of it is kept
            self._skip()
            return
        self.kernel = Kernel(self.tokens.take(), self.made.target)
        self._params()
        while self.tokens.peek() != "{":  # .maxntid and the like
            self.tokens.take()
        self.tokens.take()
        self.scopes = [_Scope({}, self._labels_here(), {})]
        while self.scopes:
            self._statement()
        self.made.kernels[self.kernel.name] = self.kernel

    def _params(self) -> None:
        if self.tokens.peek() != "(":
            return
        self.tokens.take()
        offset = 0
        while self.tokens.take() != ")":  # ".param", or the comma before it
            if self.tokens.peek() in (".param", ")"):
                continue
            name, size, align = self._declared()
            offset = -(-offset // align) * align
            self.kernel.params.append(Param(name, offset, size))
            offset += size

    # --- declarations ---

    def _declared(self) -> tuple[str, int, int]:
        """``.align 16 .b8 name[64]``: name, bytes, alignment. -1 bytes: ``name[]``."""
        align, size, pointee = 0, 1, False
        while (word := self.tokens.take()).startswith("."):
            pointee = pointee or word == ".ptr"  # .ptr .global .align 16: of what it points to
            if word == ".align":
                align = align if pointee else int(self.tokens.peek() or 0)
                self.tokens.take()
            elif word[1:] in BITS:
                size = BITS[word[1:]] // 8
            elif word in (".v2", ".v4"):
                size *= int(word[2])
        unit = size
        while self.tokens.peek() == "[":
            self.tokens.take()
            count = self.tokens.take()
            if count == "]":
                return word, 0, align or unit
            size *= int(count, 0)
            self.tokens.take()
        return word, size, align or unit

    def _variable(self, space: str, table: dict[str, Variable]) -> None:
        unit = self._unit()
        name, size, align = self._declared()
        content = b""
        if self.tokens.peek() == "=":
            self.tokens.take()
            content = self._content(unit)
        self.tokens.expect(";")
        known = name
        if self.scopes and len(self.scopes) > 1:
            self.unique += 1
            known = f"{name}.{self.unique}"
            self.scopes[-1].variables[name] = known
        table[known] = Variable(known, space, align, size, content)

    def _unit(self) -> str:
        """The element type of the declaration that follows."""
        for ahead in range(8):
            word = self.tokens.peek(ahead) or ""
            if word[1:] in BITS and word.startswith("."):
                return word[1:]
        raise BadText(f"line {self.tokens.line}: a variable has no type")

    def _content(self, unit: str) -> bytes:
        words: list[str] = []
        if self.tokens.peek() == "{":
            while (word := self.tokens.take()) != "}" or words.count("{") > words.count("}") + 1:
                words.append(word)
        else:
            while self.tokens.peek() != ";":
                words.append(self.tokens.take())
        size = BITS[unit] // 8
        joined = "".join(words).replace("{", "").replace("}", "")
        return b"".join(_number(w, size, self.tokens.line) for w in joined.split(",") if w)

    # --- statements ---

    def _labels_here(self) -> dict[str, str]:
        """Labels between the brace just taken and its end, nested scopes left out."""
        found: dict[str, str] = {}
        depth, ahead = 0, 0
        while depth >= 0 and (word := self.tokens.peek(ahead)) is not None:
            depth += (word == "{") - (word == "}")
            if depth == 0 and word == ":":
                name = self.tokens.peek(ahead - 1) or ""
                self.unique += bool(self.scopes)
                found[name] = f"{name}.{self.unique}" if self.scopes else name
            ahead += 1
        return found

    def _statement(self) -> None:
        word = self.tokens.take()
        line, mark = self.tokens.line, self.tokens.mark()
        if word == "{":
            self.scopes.append(_Scope({}, self._labels_here(), {}))
        elif word == "}":
            self.scopes.pop()
        elif word == ";":
            pass
        elif self.tokens.peek() == ":":
            self.tokens.take()
            self.kernel.labels[self.scopes[-1].labels[word]] = len(self.kernel.body)
        elif word == ".reg":
            self._registers()
        elif word[1:] in SPACES and word.startswith("."):
            self._variable(word[1:], self.kernel.variables)
        elif word in (".pragma", ".callprototype", ".branchtargets"):
            while self.tokens.take() != ";":
                pass
        else:
            self._instruction(word, line, mark)

    def _registers(self) -> None:
        bits = BITS[self.tokens.take()[1:]]
        while True:
            name = self.tokens.take()
            names = [name]
            if self.tokens.peek() == "<":
                self.tokens.take()
                names = [f"{name}{i}" for i in range(int(self.tokens.take()))]
                self.tokens.expect(">")
            for each in names:
                register = Register(each, len(self.kernel.registers), bits)
                self.kernel.registers.append(register)
                self.scopes[-1].registers[each] = register
            if self.tokens.take() == ";":
                return

    def _instruction(self, word: str, line: int, mark: int) -> None:
        guard = None
        if word == "@":
            negated = self.tokens.peek() == "!"
            if negated:
                self.tokens.take()
            named = self._named(self.tokens.take())
            if not isinstance(named, Register):
                raise BadText(f"line {line}: the predicate is no register")
            guard = (named, negated)
            word = self.tokens.take()
        operands = []
        while self.tokens.peek() != ";":
            operands.append(operand_of(self.tokens, self._named))
            if self.tokens.peek() == ",":
                self.tokens.take()
        self.tokens.take()
        text = self.tokens.since(mark)
        parts = tuple(word.split("."))
        self.kernel.body.append(Instruction(word, parts, tuple(operands), line, text, guard))

    def _named(self, name: str) -> Register | Symbol | None:
        """A register or a name seen from here; None where it is neither."""
        for scope in reversed(self.scopes):
            if name in scope.registers:
                return scope.registers[name]
            if name in scope.labels:
                return Symbol(scope.labels[name])
            if name in scope.variables:
                return Symbol(scope.variables[name])
        return None


def _number(word: str, size: int, line: int) -> bytes:
    if re.fullmatch(r"0[fF][0-9a-fA-F]{8}", word):
        return int(word[2:], 16).to_bytes(4, "little")
    if re.fullmatch(r"0[dD][0-9a-fA-F]{16}", word):
        return int(word[2:], 16).to_bytes(8, "little")
    try:
        number: int = int(word.rstrip("U"), 0) % (1 << 8 * size)
        return number.to_bytes(size, "little")
    except ValueError:
        pass
    try:
        return struct.pack("<f" if size == 4 else "<d", float(word))
    except ValueError:
        raise BadText(f"line {line}: {word} is no number a variable can begin with") from None
