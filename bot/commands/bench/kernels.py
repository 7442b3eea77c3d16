"""What the kernels were compiled to, shown for each architecture; no GPU was needed for it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands.bench.cells import dtype_of, listing
from bot.view import Block, Bold, Code, Heading, Note, Span, Table, Text, View
from compute.bench.result import BenchResult, Compiled

MOST_ROWS = 12
MOST_SAID = 4
VARIANT = 3  # values that tell two variants apart


def explained(result: BenchResult) -> View:
    """The preset ``explain``: formula, sources, and the static table of every architecture."""
    spilled = sum(kernel.spilled > 0 for kernel in result.compiled)
    count = len(result.compiled)
    state = "none spills" if not spilled else f"{spilled} of them spill"
    what = f"{count} compiled kernels, {state}" if count else "no kernel could be compiled here"
    blocks: list[Block] = [
        Heading((Bold(f"{result.op} {dtype_of(result)}: {what}"),)),
        Text((result.summary,)),
    ]
    blocks += [Text((text,)) for text in result.counts]
    blocks += tables(result)
    blocks += sources(result)
    return View(tuple(blocks))


def tables(result: BenchResult) -> list[Block]:
    """One table for each implementation and architecture, and what none could be made of."""
    blocks: list[Block] = []
    groups: dict[tuple[str, int], list[Compiled]] = {}
    for kernel in result.compiled:
        groups.setdefault((kernel.implementation, kernel.arch), []).append(kernel)
    for (name, arch), kernels in groups.items():
        blocks.append(_table(f"{name} sm_{arch}", kernels))
        used = listing(sorted({op.split(".")[0] for k in kernels for op in k.tensor_core}))
        if used:
            blocks.append(Note((f"{name} sm_{arch}: tensor cores by {used}",)))
    blocks += [Note((text,)) for text in result.compiled_why[:MOST_SAID]]
    return blocks


def _table(title: str, kernels: Sequence[Compiled]) -> Table:
    """Registers a thread, shared memory a block, local loads and stores, 16-byte loads (direct
    and asynchronous), occupancy in percent.
    """
    one_name = len({kernel.kernel for kernel in kernels}) == 1
    rows = tuple(
        (
            _variant(kernel) if one_name else kernel.kernel,
            str(kernel.registers),
            f"{kernel.shared_bytes / 1024:.0f}",
            str(kernel.spilled),
            str(kernel.loads_16 + kernel.async_copies),
            f"{100 * kernel.occupancy:.0f}",
        )
        for kernel in kernels[:MOST_ROWS]
    )
    return Table(("", "regs", "KiB", "spill", "16B", "occ%"), rows, title=title)


def _variant(kernel: Compiled) -> str:
    """The first values of its configuration: ``4096/True``."""
    values = [part.partition("=")[2] for part in kernel.config.split(", ")]
    return "/".join(values[:VARIANT]) or kernel.kernel


def sources(result: BenchResult) -> list[Block]:
    """Where the code is."""
    blocks: list[Block] = []
    for one in result.implementations:
        words: tuple[Span, ...] = (f"{one.name}: ", Code(f"{one.file}:{one.line}"))
        blocks.append(Note(words))
    return blocks
