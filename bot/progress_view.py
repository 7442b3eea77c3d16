"""How far a run is, in the words that every door shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.view import Block, Bold, Button, Heading, Note, Text, View, Words

if TYPE_CHECKING:
    from bot.jobs.words import Progress

SECONDS_A_MINUTE, SECONDS_AN_HOUR, SECONDS_A_DAY = 60, 3600, 86_400


def progress_view(name: str, progress: Progress, partial: View | None = None) -> View:
    """One line, what it waits for, what is known so far, and Cancel while that is possible."""
    blocks: list[Block] = [Heading(_line(name, progress))]
    if progress.why and progress.state == "queued":
        blocks.append(Text((progress.why,)))
    if progress.attempt > 1 and progress.state == "running":
        blocks.append(Note((f"{ordinal(progress.attempt)} try: the worker before it was lost",)))
    if partial is not None and not progress.ended:
        blocks += partial.without(Button).blocks
    if not progress.ended:
        blocks.append(Button("Cancel", "cancel", style="danger"))
    return View(tuple(blocks), tone="notice")


def unfinished_view(name: str) -> View:
    """A run of which no more is known than that it is not over."""
    return View((Heading((Bold(name), " \u00b7 not finished yet")),), tone="notice")


def _line(name: str, progress: Progress) -> Words:
    parts = [where(progress), *state_words(progress)]
    return (Bold(name), *(f" \u00b7 {part}" for part in parts if part))


def where(progress: Progress) -> str:
    """``H100 SXM on basement-box``: which machine runs it, once that is known."""
    if progress.machine and progress.worker:
        return f"{progress.machine} on {progress.worker}"
    return progress.machine or (f"on {progress.worker}" if progress.worker else "")


def state_words(progress: Progress) -> list[str]:
    """The state in short phrases: place and wait, or what is done and what is left."""
    match progress.state:
        case "queued":
            return [", ".join(part for part in (_place(progress.place), wait(progress)) if part)]
        case "running":
            left = progress.left_s
            rest = f"about {duration(left)} left" if left is not None and left > 0 else ""
            return [progress.words or _percent(progress.fraction), rest]
        case "done" | "refused":
            return ["finished"]
        case "cancelled":
            return ["cancelled"]
        case "failed":
            return ["failed"]


def _place(place: int) -> str:
    if place <= 0:
        return "waiting"
    return "you are next" if place == 1 else f"you are {ordinal(place)} in line"


def wait(progress: Progress) -> str:
    """How long until it starts: ``about 40 s``, ``1 to 3 min``; empty while nobody can say."""
    low, high = progress.wait_low_s, progress.wait_high_s
    if low is None or high is None:
        return ""
    shown_low, shown_high = duration(low), duration(high)
    if shown_low == shown_high:
        return f"about {shown_low}" if high >= 1 else "about to start"
    if low < 1:
        return f"up to {shown_high}"
    (count, unit), unit_high = shown_low.split(" "), shown_high.split(" ")[1]
    return f"{count if unit == unit_high else shown_low} to {shown_high}"


def _percent(fraction: float) -> str:
    return f"{fraction:.0%}" if fraction > 0 else "started"


def duration(seconds: float) -> str:
    """About how long: ``8 s``, ``40 s``, ``3 min``, ``2 h``, ``3 days``."""
    if seconds < 10:
        return f"{max(round(seconds), 1)} s"
    if seconds < 1.5 * SECONDS_A_MINUTE:
        return f"{round(seconds / 5) * 5} s"
    if seconds < 1.5 * SECONDS_AN_HOUR:
        return f"{round(seconds / SECONDS_A_MINUTE)} min"
    if seconds < 2 * SECONDS_A_DAY:
        return f"{round(seconds / SECONDS_AN_HOUR)} h"
    return f"{round(seconds / SECONDS_A_DAY)} days"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 22nd."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 <= number % 100 <= 20 else ending}"
