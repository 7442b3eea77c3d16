"""mbarrier objects: arrivals and bytes of a phase (PTX ISA, mbarrier)."""

from __future__ import annotations

from dataclasses import dataclass

MOST = (1 << 20) - 1  # arrivals of a phase, and bytes on their way


@dataclass
class Barrier:
    """One in shared memory. A phase is complete with its last arrival and its last byte."""

    expected: int
    pending: int
    bytes_left: int = 0
    phase: int = 0

    @staticmethod
    def of(arrivals: int) -> Barrier:
        """mbarrier.init."""
        if not 1 <= arrivals <= MOST:
            raise ValueError(f"mbarrier.init with {arrivals} arrivals; 1 to {MOST} are possible")
        return Barrier(arrivals, arrivals)

    def arrive(self, count: int = 1) -> int:
        """The phase it was, which is the token. Raises ``ValueError`` for one too many."""
        if count > self.pending:
            raise ValueError(f"{count} arrivals where {self.pending} were to come ({self})")
        token = self.phase
        self.pending -= count
        self._turn()
        return token

    def expect(self, count: int) -> None:
        """So many bytes are on their way."""
        self.bytes_left += count
        self._check()

    def bytes_came(self, count: int) -> None:
        """Those of a copy. They may come before they are announced."""
        self.bytes_left -= count
        self._check()
        self._turn()

    def complete(self, parity: int) -> bool:
        """Whether the phase of this parity is: the current one is not, the one before it is."""
        return self.phase & 1 != parity & 1

    def _turn(self) -> None:
        if self.pending == 0 and self.bytes_left == 0:
            self.phase += 1
            self.pending = self.expected

    def _check(self) -> None:
        if abs(self.bytes_left) > MOST:
            raise ValueError(f"{self.bytes_left} bytes on their way; an mbarrier counts to {MOST}")

    def __str__(self) -> str:
        left = f"{self.pending} of {self.expected} arrivals and {self.bytes_left} bytes"
        return f"phase {self.phase} waits for {left}"
