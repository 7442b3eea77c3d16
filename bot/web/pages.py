"""The home page with its command bar and the tools that there are."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from pydantic import JsonValue

from bot.command import Command, Option
from bot.line import MAX_LINE
from bot.web.answering import Shown, answer_fix, answer_line, typed_line
from bot.web.assets import TEMPLATES
from bot.web.body import read_form
from bot.web.errors import json_response, wants_json
from bot.web.services import SERVICES, Services


@dataclass(frozen=True, slots=True)
class ToolCard:
    """A tool on the home page; ``example`` is empty while there is no such command yet."""

    id: str
    name: str
    desc: str
    example: str


async def home(request: web.Request) -> web.Response:
    """The home page; ``?line=`` puts a line into the bar without running it."""
    return _home(request, request.query.get("line", "")[:MAX_LINE])


async def run_line(request: web.Request) -> web.Response:
    """Enter in the command bar, with or without JavaScript."""
    line = (await read_form(request)).get("line", "")
    shown = await answer_line(request, line)
    return _answered(request, shown)


async def press_fix(request: web.Request) -> web.Response:
    """One of the answer's repairs was pressed."""
    place = int(request.match_info["place"])
    shown = await answer_fix(request, request.match_info["id"], place)
    return _answered(request, shown)


def _answered(request: web.Request, shown: Shown) -> web.Response:
    """For our script the answer alone; for a plain form the home page with the answer in it."""
    return answered_json(shown) if wants_json(request) else _home(request, shown.line, shown)


def answered_json(shown: Shown) -> web.Response:
    """The answer for our script."""
    return json_response(
        {
            "id": shown.id,
            "line": shown.line,
            "refused": shown.view.tone == "refusal",
            "html": str(shown.html),
        }
    )


def _home(request: web.Request, line: str, shown: Shown | None = None) -> web.Response:
    services = request.app[SERVICES]
    return page_response(
        request,
        "home.html",
        line=line,
        answer=shown.html if shown else None,
        tools=tool_cards(services),
        examples=[card.example for card in tool_cards(services) if card.example],
    )


def page_response(request: web.Request, name: str, **values: object) -> web.Response:
    """A page that the browser asks for anew each time."""
    text = request.app[TEMPLATES].page(name, **values)
    headers = {"Cache-Control": "no-cache"}
    return web.Response(text=text, content_type="text/html", headers=headers)


def tool_cards(services: Services) -> list[ToolCard]:
    """The site's tools in its own words, then commands that it does not know of yet."""
    commands = services.commands
    cards = [
        ToolCard(t.id, t.name, t.desc, example_line(commands[t.id]) if t.id in commands else "")
        for t in services.site.tools
    ]
    known = {card.id for card in cards}
    return cards + [
        ToolCard(name, command.tool.title, command.tool.summary, example_line(command))
        for name, command in commands.items()
        if name not in known and command.options
    ]


def example_line(command: Command) -> str:
    """A line that works: the required options with their first example."""
    values: dict[str, JsonValue] = {
        option.name: example
        for option in command.options
        if option.required and (example := example_of(command, option))
    }
    return typed_line(command, values)


def example_of(command: Command, option: Option) -> str:
    """The option's first example as one would type it."""
    examples = command.tool.request.model_fields[option.field].examples or []
    return str(examples[0]) if examples else ""


def default_of(command: Command, option: Option) -> str:
    """What an empty field means, where it is one value."""
    default = command.tool.request.model_fields[option.field].default
    return str(default) if isinstance(default, str | int) else ""
