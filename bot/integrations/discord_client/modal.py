"""The form behind Change inputs: the first options as fields, the others on one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import discord
from pydantic import JsonValue

from bot.command import Command, Option, with_inputs
from bot.integrations.discord_client.choices import MAX_TEXT, shortened
from bot.line import option_line, parse_options
from bot.render.discord import custom_id
from compute.tool import Refusal, Refused

MAX_FIELDS = 5  # what Discord shows in one form
MAX_TITLE = MAX_LABEL = 45
MAX_VALUE = 4_000
OTHERS = "more"  # the id of the field that holds the remaining options
UNREAD = ""  # under this name, which no option has, a line that could not be read is kept


class Form(discord.ui.Modal):
    """A form that is recognised by its id when it comes back, also after a restart."""

    def is_finished(self) -> bool:
        """Always: most forms are closed unsent, and the library would keep each of them."""
        return True


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form brought back; ``refusal`` says why a line of it could not be read."""

    inputs: dict[str, JsonValue]
    refusal: Refusal | None = None


def build_form(command: Command, result_id: str, inputs: Mapping[str, JsonValue]) -> Form:
    """The form of ``command``, filled with ``inputs``."""
    form = Form(title=f"Change /{command.name}"[:MAX_TITLE], custom_id=custom_id("form", result_id))
    given = with_inputs(command.tool, inputs, {})
    own, others = _split(command)
    for option in own:
        form.add_item(_field(option, given.get(option.name)))
    if others:
        rest = replace(command, options=others, more=())
        unread = given.get(UNREAD)
        line = unread if isinstance(unread, str) else option_line(rest, given)
        form.add_item(_others_field(others, line))
    return form


def read_form(command: Command, old: Mapping[str, JsonValue], data: Mapping[str, Any]) -> Filled:
    """The inputs of a sent form. What ``old`` had beyond the command's options is kept."""
    typed = dict(typed_fields(data.get("components")))
    known = {option.name for option in command.every} | {UNREAD}
    inputs = {n: v for n, v in with_inputs(command.tool, old, {}).items() if n not in known}
    own, _ = _split(command)
    inputs |= {o.name: typed[o.name] for o in own if typed.get(o.name)}
    line = typed.get(OTHERS, "")
    try:
        return Filled(inputs | parse_options(command, " ".join(line.split())))
    except Refused as refused:
        return Filled(inputs | {UNREAD: line}, refused.refusal)


def _split(command: Command) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    if len(command.every) <= MAX_FIELDS:
        return command.every, ()
    return command.every[: MAX_FIELDS - 1], command.every[MAX_FIELDS - 1 :]


def _field(option: Option, value: JsonValue) -> discord.ui.Label[Any]:
    text = "" if value is None else str(value)
    long = "\n" in text or len(text) > MAX_TEXT
    entry: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=option.name,
        style=discord.TextStyle.paragraph if long else discord.TextStyle.short,
        default=text[:MAX_VALUE] or None,
        required=option.required,
        max_length=MAX_VALUE,
        placeholder=shortened(", ".join(value for _, value in option.choices)) or None,
    )
    return discord.ui.Label(
        text=option.name[:MAX_LABEL],
        description=shortened(option.description) or None,
        component=entry,
    )


def _others_field(others: tuple[Option, ...], line: str) -> discord.ui.Label[Any]:
    entry: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=OTHERS,
        style=discord.TextStyle.paragraph,
        default=line[:MAX_VALUE] or None,
        required=False,
        max_length=MAX_VALUE,
        placeholder=shortened(" ".join(f"{option.name}:" for option in others)),
    )
    return discord.ui.Label(
        text="Other options, each as name:value",
        description=shortened(", ".join(option.name for option in others)),
        component=entry,
    )


def typed_fields(components: object) -> Iterator[tuple[str, str]]:
    """(id, text) of every field, however Discord nests them; what is no text is left out."""
    for component in components if isinstance(components, list) else []:
        if not isinstance(component, dict):
            continue
        name, value = component.get("custom_id"), component.get("value")
        if isinstance(name, str) and isinstance(value, str):
            yield name, value.strip()
        yield from typed_fields(component.get("components"))
        yield from typed_fields([component.get("component")])
