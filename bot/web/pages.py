"""The home page with its command bar, and a form for each tool."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from markupsafe import Markup
from pydantic import JsonValue

from bot.command import Command, Option
from bot.line import MAX_LINE
from bot.web.answering import (
    Shown,
    answer_fix,
    answer_inputs,
    answer_line,
    limit_runs,
    typed_line,
)
from bot.web.assets import TEMPLATES
from bot.web.body import read_form
from bot.web.errors import Problem, json_response, wants_json
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
    if wants_json(request):
        payload = {
            "id": shown.id,
            "line": shown.line,
            "refused": shown.view.tone == "refusal",
            "html": str(shown.html),
        }
        return json_response(payload)
    return _home(request, shown.line, shown)


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
        if option.required and (example := _example(command, option))
    }
    return typed_line(command, values)


def _example(command: Command, option: Option) -> str:
    examples = command.tool.request.model_fields[option.field].examples or []
    return str(examples[0]) if examples else ""


def _default(command: Command, option: Option) -> str:
    default = command.tool.request.model_fields[option.field].default
    return str(default) if isinstance(default, str | int) else ""


async def tool_form(request: web.Request) -> web.Response:
    """A form with every option of a command, filled from the query."""
    command = _command(request)
    names = [option.name for option in command.every]
    values = {name: request.query.get(name, "")[:MAX_LINE] for name in names}
    return _form(request, command, values)


async def run_form(request: web.Request) -> web.Response:
    """The form was sent: empty fields count as not given."""
    command = _command(request)
    fields = await read_form(request)
    names = {option.name for option in command.every}
    inputs: dict[str, JsonValue] = {
        name: value.strip() for name, value in fields.items() if name in names and value.strip()
    }
    limit_runs(request)
    shown = await answer_inputs(request, command, inputs)
    if wants_json(request):
        return _answered(request, shown)
    return _form(request, command, fields, shown.html)


def _form(
    request: web.Request,
    command: Command,
    values: dict[str, str],
    answer: Markup | None = None,
) -> web.Response:
    fields = [
        {
            "option": option,
            "value": values.get(option.name, ""),
            "example": _example(command, option),
            "default": _default(command, option),
        }
        for option in command.every
    ]
    return page_response(request, "form.html", command=command, fields=fields, answer=answer)


def _command(request: web.Request) -> Command:
    command = request.app[SERVICES].commands.get(request.match_info["tool"])
    if command is None:
        raise Problem(404, "There is no such tool here.")
    return command
