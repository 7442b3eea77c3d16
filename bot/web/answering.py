"""From a typed line, a form or a pressed button to the answer that every door shows."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup
from pydantic import JsonValue

from bot.command import Command, answer, repaired
from bot.line import command_line, parse_options
from bot.render.html import Around, Press, render
from bot.results import StoredResult, new_result_id
from bot.runner import Asker, Outcome
from bot.view import Block, Bold, Button, Code, Heading, Note, Span, Text, View
from bot.web.errors import Problem
from bot.web.services import SERVICES, Services, visitor_of
from compute.tool import Refused

log = logging.getLogger(__name__)

DELETE_KEY_HEADER = "X-Delete-Key"
DELETE_KEY = re.compile(r"[A-Za-z0-9_-]{20,100}")
READS_PER_MINUTE = 600  # suggestions, pages and pictures of one visitor
PREVIEWS_PER_MINUTE = 120  # a slider held down asks two or three times a second, then rests
SHOWN = 60
LONGEST_QUERY = 4000  # characters


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer ready for a page. ``id`` is empty when it was not kept."""

    id: str
    line: str
    view: View
    html: Markup


def limit_reads(request: web.Request) -> None:
    """Raises ``Problem`` 429 for a visitor who reads more than a person or a tool would."""
    _limit(request, "read", READS_PER_MINUTE)


def limit_runs(request: web.Request) -> None:
    """Raises ``Problem`` 429 for a visitor with more answers a minute than the settings allow."""
    _limit(request, "web", request.app[SERVICES].settings.user_per_minute)


def limit_previews(request: web.Request) -> None:
    """Raises ``Problem`` 429 for a visitor whose sliders move more than a hand would move them.

    A preview is arithmetic that nobody keeps: it is counted for itself and not as an answer.
    """
    _limit(request, "preview", PREVIEWS_PER_MINUTE)


def _limit(request: web.Request, kind: str, per_minute: int) -> None:
    wait_s = request.app[SERVICES].limiter.wait_s(f"{kind}:{visitor_of(request)}", per_minute)
    if wait_s > 0:
        seconds = max(1, round(wait_s + 0.5))
        raise Problem(
            429, f"That is more than {per_minute} a minute; wait {seconds} s.", wait_s=wait_s
        )


def delete_key_of(request: web.Request) -> str:
    """The key this browser made for itself, which lets it delete what it asked for."""
    key = request.headers.get(DELETE_KEY_HEADER, "")
    if key and not DELETE_KEY.fullmatch(key):
        raise Problem(400, f"{DELETE_KEY_HEADER} is 20 to 100 letters, digits, - and _.")
    return key


async def answer_line(request: web.Request, line: str) -> Shown:
    """What ``line`` answers; nothing typed is lost, whatever is wrong with it."""
    limit_runs(request)
    services = request.app[SERVICES]
    name, _, rest = line.strip().removeprefix("/").partition(" ")
    command = services.commands.get(name.split("\n")[0].casefold())
    if command is None:
        return _unknown(services, name, rest, line)
    try:
        inputs = parse_options(command, rest)
    except Refused as refused:
        outcome = Outcome(new_result_id(), command.tool, {}, None, None, refused.refusal)
        log.info("ref %s: line refused: %s", outcome.ref, refused.message)
        return show(command, outcome, line=line, kept=False)
    return await answer_inputs(request, command, inputs, line=line)


async def answer_inputs(
    request: web.Request, command: Command, inputs: Mapping[str, JsonValue], *, line: str = ""
) -> Shown:
    """Run the command's tool and wait until its answer is kept, so that its page exists."""
    asker = Asker("web", private=True, delete_key=delete_key_of(request))
    outcome = await request.app[SERVICES].runner.run(command.tool, inputs, asker)
    return show(command, outcome, line=line, kept=await is_kept(outcome))


async def answer_fix(request: web.Request, result_id: str, place: int) -> Shown:
    """The kept answer with one of its repairs applied. Raises ``Problem``."""
    limit_runs(request)
    command, _, outcome = await kept_answer(request, result_id)
    try:
        inputs = repaired(outcome, place)
    except LookupError:
        raise Problem(404, "This answer does not offer that change.") from None
    return await answer_inputs(request, command, inputs)


async def kept_answer(
    request: web.Request, result_id: str
) -> tuple[Command, StoredResult, Outcome]:
    """The kept answer of that id. Raises ``Problem`` 404 when there is none any more."""
    services = request.app[SERVICES]
    row = await services.results.get(result_id)
    command = services.commands.get(row.tool) if row else None
    if row is None or command is None:
        raise Problem(
            404, "There is no answer at this address: it expired, was deleted or never was."
        )
    return command, row, await services.runner.recall(command.tool, row)


async def is_kept(outcome: Outcome) -> bool:
    """Whether the answer reached the disk; if not, it is still an answer."""
    try:
        if outcome.saved is not None:
            await outcome.saved
    except Exception:  # whatever the database says, the visitor has an answer
        log.exception("ref %s: the answer could not be kept", outcome.ref)
        return False
    return True


def show(command: Command, outcome: Outcome, *, line: str = "", kept: bool = True) -> Shown:
    """The answer as HTML. Not kept, it has neither a page nor a picture, and says so."""
    view = answer(command, outcome)
    line = line or typed_line(command, outcome.inputs)
    refused = outcome.refusal is not None
    if not kept and not refused:
        view = view.plus(Note(("This answer could not be kept, so it has no page.",)))
    result_id = outcome.id if kept else ""
    around = Around(result_id=result_id, line=line, details=details_of(command, outcome))
    return Shown(result_id, line, view, render(view, around))


def details_of(command: Command, outcome: Outcome) -> View | None:
    """What is behind the answer's Assumptions button, if there is an answer."""
    if command.details is None or outcome.request is None or outcome.result is None:
        return None
    return command.details(outcome.request, outcome.result)


def typed_line(command: Command, inputs: Mapping[str, JsonValue]) -> str:
    """The line to copy; what no line can carry (a whole config.json) is left out."""
    return command_line(command, {k: v for k, v in inputs.items() if typeable(v)})


def typeable(value: JsonValue) -> bool:
    """Whether a value can stand in a command line."""
    return not isinstance(value, dict | list)


def form_address(command: Command, inputs: Mapping[str, JsonValue]) -> str:
    """The tool's form with these inputs in it, as far as an address carries them."""
    given = {o.name: v for k, v in inputs.items() if typeable(v) and (o := command.option(k))}
    query = urlencode({k: str(v) for k, v in given.items() if v is not None})
    address = f"/tools/{command.name}"
    return f"{address}?{query}" if query and len(query) <= LONGEST_QUERY else address


def left_out(command: Command, inputs: Mapping[str, JsonValue]) -> list[str]:
    """The inputs that the command line cannot carry."""
    return [k for k, v in inputs.items() if not typeable(v) or command.option(k) is None]


def _unknown(services: Services, name: str, rest: str, line: str) -> Shown:
    """No such command: the nearest ones, with the same options, one press away."""
    ref = new_result_id()[:6]
    known = sorted(services.commands)
    close = get_close_matches(name[:SHOWN].casefold(), known, n=3, cutoff=0.4) or known[:3]
    message = "I don't know that command." if name else "Type a command first."
    options = rest.strip()[: len(line)]
    spans: list[Span] = ["You can type "]
    for place, other in enumerate(close):
        spans += [", " if place else "", Code(f"/{other}")]
    blocks: list[Block] = [Heading((Bold(message),))]
    if close:
        blocks.append(Text((*spans, ".")))
    blocks += [Note((f"ref {ref}",)), Button("Change inputs", "change", style="primary")]
    presses = tuple(Press(f"/{n}", "/", f"/{n} {options}".strip()) for n in close if options)
    view = View(tuple(blocks), tone="refusal")
    log.info("ref %s: unknown command", ref)
    return Shown("", line, view, render(view, Around(line=line, presses=presses)))
