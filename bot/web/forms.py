"""A form for each tool: every option as a field, a slider where its request declares a range.

With sliders the page asks for a preview at every change: the whole answer, kept nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from markupsafe import Markup
from pydantic import JsonValue
from pydantic_core import to_json

from bot.command import Command, Option, answer, fixes_of, options_of, with_inputs
from bot.line import MAX_LINE
from bot.render.html import Around, render
from bot.view import Block, Button, Heading, Link, View, plain
from bot.web.answering import answer_inputs, details_of, limit_previews, limit_runs, typed_line
from bot.web.body import MAX_JSON, read_form, read_json
from bot.web.errors import Problem, json_response, wants_json
from bot.web.pages import answered_json, default_of, example_of, page_response
from bot.web.pictures import PREVIEWED
from bot.web.services import SERVICES
from compute.tool import Fix

SLIDER_STEPS = 240  # of a logarithmic slider: eight decades at 8 % a step
UPLOAD_CHARS = MAX_JSON * 3 // 4  # the rest is for quotes, line ends and the other fields


@dataclass(frozen=True, slots=True)
class Field:
    """One option in the form, with what is in it."""

    option: Option
    value: str
    example: str
    default: str

    @property
    def hint(self) -> str:
        """What stands in the empty field: beside a slider what empty means, else an example."""
        if self.option.slider is not None:
            return self.default or "auto"
        return self.example or self.default

    @property
    def slid(self) -> dict[str, Any]:
        """The attributes of its slider; a logarithmic one counts even steps of the exponent."""
        slider = self.option.slider
        assert slider is not None
        given = (_number(self.value), _number(self.default), slider.start, slider.low)
        start = next(value for value in given if value is not None)
        if not slider.log:
            return {"min": slider.low, "max": slider.high, "step": slider.step, "at": start}
        span = math.log(slider.high / slider.low)
        share = math.log(max(start, slider.low) / slider.low) / span
        at = round(min(share, 1.0) * SLIDER_STEPS)
        return {"min": 0, "max": SLIDER_STEPS, "step": 1, "at": at}


async def tool_form(request: web.Request) -> web.Response:
    """A form with every option of a command, filled from the query."""
    command = _command(request)
    values = {o.name: request.query.get(o.name, "")[:MAX_LINE] for o in command.every}
    if not request.query and _has_sliders(command):
        values |= {o.name: example_of(command, o) for o in command.options if o.required}
    return _form(request, command, values)


async def run_form(request: web.Request) -> web.Response:
    """The form was sent, plain or by our script as JSON: empty fields count as not given."""
    command = _command(request)
    limit_runs(request)
    fields = await _sent(request)
    shown = await answer_inputs(request, command, _inputs(command, fields))
    if wants_json(request):
        return answered_json(shown)
    return _form(request, command, fields, shown.html)


async def preview(request: web.Request) -> web.Response:
    """The answer to the form as it stands, kept nowhere and counted for itself."""
    command = _command(request)
    limit_previews(request)
    inputs = _inputs(command, await _sent(request))
    previews = request.app[PREVIEWED]
    async with previews.turn:
        outcome = await request.app[SERVICES].runner.preview(command.tool, inputs)
    view = answer(command, outcome)
    shown = View(tuple(block for block in view.blocks if _in_preview(block)), view.tone)
    around = Around(
        line=typed_line(command, inputs),
        details=details_of(command, outcome),
        pictures=tuple(previews.add(chart) for chart in view.charts()),
        changes=tuple(_changes(command, fix) for fix in fixes_of(outcome)),
    )
    return json_response(
        {
            "line": around.line,
            "refused": view.tone == "refusal",
            "headline": _headline(view),
            "html": str(render(shown, around)),
        }
    )


def _in_preview(block: Block) -> bool:
    """Nothing is kept, so there is nothing to share, and the inputs are in the form beside it."""
    if isinstance(block, Button):
        return block.action in ("details", "fix")
    return not (isinstance(block, Link) and block.url.startswith("/r/"))


def _changes(command: Command, fix: Fix) -> str:
    """What a repair types into the form, as JSON."""
    return to_json(with_inputs(command.tool, {}, fix.changes)).decode()


async def _sent(request: web.Request) -> dict[str, str]:
    """The fields of the form. A file's text fits into JSON, where it is not percent-encoded."""
    if request.content_type != "application/json":
        return await read_form(request)
    return {k: v for k, v in (await read_json(request)).items() if isinstance(v, str)}


def _inputs(command: Command, fields: Mapping[str, str]) -> dict[str, JsonValue]:
    names = {option.name for option in _all_options(command)}
    return {n: value.strip() for n, value in fields.items() if n in names and value.strip()}


def _form(
    request: web.Request,
    command: Command,
    values: Mapping[str, str],
    answer: Markup | None = None,
) -> web.Response:
    fields = [
        Field(option, values.get(option.name, ""), example_of(command, option),
              default_of(command, option))
        for option in _all_options(command)
    ]  # fmt: skip
    listed = {option.name for option in command.options}
    return page_response(
        request,
        "form.html",
        command=command,
        required=[f for f in fields if f.option.required],
        slid=[f for f in fields if f.option.slider and not f.option.required],
        fields=[f for f in fields if f.option.name in listed and _is_plain(f)],
        more=[f for f in fields if f.option.name not in listed and _is_plain(f)],
        upload_chars=UPLOAD_CHARS,
        answer=answer,
    )


def _is_plain(field: Field) -> bool:
    return not field.option.required and field.option.slider is None


def _all_options(command: Command) -> tuple[Option, ...]:
    """The command's own, and what is filled from a file: no typed line could carry that."""
    fields = command.tool.request.model_fields
    known = {option.field for option in command.every}
    names = [info.alias or name for name, info in fields.items() if name not in known]
    others = options_of(command.tool.request, names)
    return command.every + tuple(option for option in others if option.upload)


def _has_sliders(command: Command) -> bool:
    return any(option.slider for option in command.every)


def _headline(view: View) -> str:
    return next((plain(b.words) for b in view.blocks if isinstance(b, Heading)), "")


def _number(text: str) -> float | None:
    """``200,000`` and ``40%`` as numbers; nothing for words."""
    percent = text.strip().endswith("%")
    try:
        value = float(text.strip().removesuffix("%").replace(",", ""))
    except ValueError:
        return None
    return value / (100 if percent else 1) if math.isfinite(value) else None


def _command(request: web.Request) -> Command:
    command = request.app[SERVICES].commands.get(request.match_info["tool"])
    if command is None:
        raise Problem(404, "There is no such tool here.")
    return command
