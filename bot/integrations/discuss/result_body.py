"""An answer as a Discussion: what Discord shows, what it assumes, and how to ask it again."""

from __future__ import annotations

import io
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from bot.command import Command
from bot.integrations.discuss.fit import MOST, fitted, size
from bot.line import command_line
from bot.render.chat import github_fence
from bot.render.github import github_line, github_markdown, html_text
from bot.runner import Outcome
from bot.view import Anchor, Block, Bold, Button, Chart, Heading, Link, Note, Span, View, plain

TITLE = 120  # characters of a suggested title
BARS_WIDTH = 100  # as wide as GitHub shows without scrolling; a row is as long as it needs
DROPPED = "*Its assumptions are too long for a Discussion; the Assumptions button has them.*"
CUT = "*The rest is too long for a Discussion.*"


@dataclass(frozen=True, slots=True)
class Telling:
    """What is said beside the answer. ``page`` and ``version`` "" = not known; ``at``: Unix
    seconds.
    """

    posted_by: str
    asked_by: str
    at: float
    page: str = ""
    version: str = ""
    pictures: Sequence[str] = ()
    base_url: str = ""


def answer_view(command: Command, outcome: Outcome, base_url: str) -> View:
    """The answer without its buttons, and without links that lead nowhere from outside."""
    view: View = command.show(outcome.request, outcome.result)
    kept = (b for b in view.blocks if not isinstance(b, Button) and _leads(b, base_url))
    return View(tuple(kept), view.tone)


def title_of(command: Command, view: View) -> str:
    """``Throughput: 1,480 output tokens/s on 2x H100``."""
    said = next((plain(b.words) for b in view.blocks if isinstance(b, Heading)), "an answer")
    title = " ".join(f"{command.name.capitalize()}: {said}".split())
    if len(title) <= TITLE:
        return title
    ends = (title[:TITLE].rpartition(end)[0] for end in (" · ", "; ", " ("))
    whole = [part for part in ends if part.count("(") == part.count(")")]
    part = max(whole, key=len, default="")  # a whole part of it rather than half of the next
    if len(part) > TITLE // 3:
        return part
    return f"{title[:TITLE].rpartition(' ')[0] or title[:TITLE]}…"


def result_body(command: Command, outcome: Outcome, telling: Telling) -> str:
    """The Discussion's text; the assumptions go first where it would be too long."""
    view = answer_view(command, outcome, telling.base_url)
    blocks = list(_blocks(view, telling))
    tail = [*_again(command, outcome.inputs), _credits(telling)]
    details = _details(command, outcome, telling.base_url)
    whole = "\n\n".join([*blocks, *details, *tail])
    if size(whole) <= MOST:
        return whole
    return fitted(blocks, [*([DROPPED] if details else []), *tail], CUT)


def terminal_line(command: Command, inputs: Mapping[str, JsonValue]) -> str:
    """``k2c throughput --gpu h100``, as a shell takes it."""
    given = ((o.name, inputs.get(o.name, inputs.get(o.field))) for o in command.every)
    flags = (
        f"--{name.replace('_', '-')} {shlex.quote(_word(value))}"
        for name, value in given
        if value is not None
    )
    return " ".join(("k2c", command.name, *flags))


def _word(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str(value).split())


def _leads(block: Block, base_url: str) -> bool:
    return not isinstance(block, Link) or bool(base_url) or not block.url.startswith("/")


def _blocks(view: View, telling: Telling) -> Iterator[str]:
    """One piece of Markdown a block; a chart without a picture is drawn in characters."""
    pictures = iter(telling.pictures)
    drawn = 0
    for block in view.blocks:
        picture = next(pictures, "") if isinstance(block, Chart) else ""
        if isinstance(block, Chart) and not picture:
            drawn += 1
            yield from _in_characters(block, folded=drawn > 1)
        else:
            made = github_markdown(View((block,)), telling.base_url, (picture,))
            yield from filter(None, [made])


def _in_characters(chart: Chart, *, folded: bool) -> Iterator[str]:
    """Bars, and its numbers in words for whoever cannot see them; all but the first folded."""
    bars = github_fence(_bars(chart), "text")
    words = f"<details><summary>In words</summary>\n\n{github_line(chart.alt)}\n\n</details>"
    parts = [bars, *([words] if chart.alt.strip() else [])]
    if folded:
        inside = "\n\n".join(parts)
        yield f"<details><summary>{html_text(chart.title)}</summary>\n\n{inside}\n\n</details>"
    else:
        yield from (f"**{github_line(chart.title)}**", *parts)


def _bars(chart: Chart) -> str:
    """The chart as rows of bars, as a terminal shows it."""
    from rich.console import Console

    from bot.render.terminal import print_view

    out = io.StringIO()
    console = Console(file=out, width=BARS_WIDTH, color_system=None, legacy_windows=False)
    print_view(console, View((replace(chart, title=""),)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def _details(command: Command, outcome: Outcome, base_url: str) -> list[str]:
    if command.details is None:
        return []
    view: View = command.details(outcome.request, outcome.result)
    inside = github_markdown(view.without(Button, Link), base_url)
    return [f"<details><summary>Assumptions</summary>\n\n{inside}\n\n</details>"] if inside else []


def _again(command: Command, inputs: Mapping[str, JsonValue]) -> Iterator[str]:
    yield "**Ask it again**, in Discord or in a terminal:"
    lines = [command_line(command, inputs), terminal_line(command, inputs)]
    yield github_fence("\n".join(lines), "text")


def _credits(telling: Telling) -> str:
    words: list[Span] = []
    if telling.asked_by and telling.asked_by != telling.posted_by:
        words += ["Asked by ", Bold(telling.asked_by), " in Discord, posted by "]
    elif telling.asked_by:
        words += ["Asked and posted by "]
    else:
        words += ["Asked in Discord, posted by "]
    words.append(Bold(telling.posted_by))
    words.append(time.strftime(" · %Y-%m-%d", time.gmtime(telling.at)))
    if telling.version:
        words.append(f" · k2c {telling.version}")
    if telling.page:
        words += [" · ", Anchor("its page", telling.page)]
    return github_markdown(View((Note(tuple(words)),)), telling.base_url)
