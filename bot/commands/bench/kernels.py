"""What the kernels were compiled to, shown for each architecture; no GPU was needed for it."""

from __future__ import annotations

from collections.abc import Sequence

from bot.commands.bench.cells import dtype_of, listing
from bot.view import Block, Bold, Code, Heading, Note, Span, Table, Text, View
from compute.bench.result import BenchResult, Compiled

MOST_ROWS = 12
MOST_SAID = 4
MOST_NAMES = 20
MOST_LABEL = 15  # letters: what the numbers leave of the 36 that a phone shows


def explained(result: BenchResult) -> View:
    """The preset ``explain``: formula, sources, and the static table of every architecture."""
    different = dict.fromkeys(result.compiled)  # a launch at two shapes may be one kernel
    spilled = sum(kernel.spilled > 0 for kernel in different)
    count = len(different)
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
    for kernel in dict.fromkeys(result.compiled):
        groups.setdefault((kernel.implementation, kernel.arch), []).append(kernel)
    for (name, arch), kernels in groups.items():
        blocks.append(_table(f"{name} sm_{arch}", kernels))
        used = listing(sorted({op.split(".")[0] for k in kernels for op in k.tensor_core}))
        if used:
            blocks.append(Note((f"{name} sm_{arch}: tensor cores by {used}",)))
    blocks += [Note((text,)) for text in result.compiled_why[:MOST_SAID]]
    return blocks


def _table(title: str, kernels: Sequence[Compiled]) -> Table:
    """Registers a thread, shared memory a block, local loads and stores where there are any,
    16-byte loads (direct and asynchronous), occupancy in percent.
    """
    shown = kernels[:MOST_ROWS]
    names, labels = _variants(shown)
    spills = any(kernel.spilled for kernel in shown)
    rows = tuple(
        (
            label,
            str(kernel.registers),
            f"{kernel.shared_bytes / 1024:.0f}",
            *((str(kernel.spilled),) if spills else ()),
            str(kernel.loads_16 + kernel.async_copies),
            f"{100 * kernel.occupancy:.0f}",
        )
        for label, kernel in zip(labels, shown, strict=True)
    )
    if len(names) > max(map(len, labels)):  # a phone would cut it there
        title, names = f"{title} \N{MIDDLE DOT} {names}", ""
    columns = (names, "reg", "KiB", *(("sp",) if spills else ()), "16B", "occ%")
    return Table(columns, rows, title=title)


def _variants(kernels: Sequence[Compiled]) -> tuple[str, list[str]]:
    """What tells the kernels apart, and each one's own: ``CAUSAL/BM`` and ``y/128``.
    Of a kernel of the operator's own name it is not said again.
    """
    settings = [_settings(kernel) for kernel in kernels]
    told: list[str] = []
    apart = 1
    for name in dict.fromkeys(name for one in settings for name in one):
        now = len({tuple(one.get(n) for n in (*told, name)) for one in settings})
        if now > apart:
            told, apart = [*told, name], now
    labels = ["/".join(one[name] for name in told if one.get(name)) for one in settings]
    only = kernels[0].kernel.removesuffix("_kernel")
    names = "/".join(name for name in told if name != "kernel")
    return names[:MOST_NAMES], [_short(label or only) for label in labels]


def _settings(kernel: Compiled) -> dict[str, str]:
    """Its name, where that says more than the operator's does, and its configuration."""
    name = kernel.kernel.removesuffix("_kernel")
    own = "" if name == kernel.op else name.removeprefix(f"{kernel.op}_")
    pairs = (part.partition("=") for part in kernel.config.split(", ") if part)
    words = {"True": "y", "False": "n"}
    said = {key: words.get(value, value) for key, _, value in pairs if key != "shared_bytes"}
    return {"kernel": own, **said}


def _short(label: str) -> str:
    """At most ``MOST_LABEL`` letters: the longest words lose their ends."""
    parts = label.split("/")
    while sum(map(len, parts)) + len(parts) - 1 > MOST_LABEL:
        longest = max(range(len(parts)), key=lambda place: len(parts[place]))
        parts[longest] = parts[longest][:-1]
    return "/".join(parts)


def sources(result: BenchResult) -> list[Block]:
    """Where the code is."""
    blocks: list[Block] = []
    for one in result.implementations:
        words: tuple[Span, ...] = (f"{one.name}: ", Code(f"{one.file}:{one.line}"))
        blocks.append(Note(words))
    return blocks
