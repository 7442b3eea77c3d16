"""Answers of the home servers' commands as messages, their forms, and what a press brings back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import discord

from bot.guild_command import Form, FormField, Menu, Pressed, Said
from bot.integrations.discord_client.choices import MAX_TEXT, shortened
from bot.integrations.discord_client.modal import (
    MAX_FIELDS,
    MAX_LABEL,
    MAX_TITLE,
    MAX_VALUE,
    typed_fields,
)
from bot.integrations.discord_client.modal import Form as Modal
from bot.render.discord import Attachment, Message, Shown, custom_id, render
from bot.render.markup import visible
from bot.view import Block, Bold, Code, Heading, Span, Text, View
from compute.tool import Refusal

PRESS = re.compile(r"k2c:([a-z]{1,20}):([A-Za-z0-9_-]{22})(?::([\x21-\x7e]{1,60}))?")
MAX_MENUS = 3
MAX_ENTRIES = 25  # what Discord lists in one menu


def message_of(said: Said, base_url: str) -> Message:
    """The answer with its menus and files."""
    shown = Shown(result_id=said.token, base_url=base_url, public=True)
    made = render(said.view, shown)
    container = made.layout.children[0]
    assert isinstance(container, discord.ui.Container)
    for menu in said.menus[:MAX_MENUS]:
        container.add_item(discord.ui.ActionRow(_select(menu, said.token)))
    files = tuple(Attachment(name, content) for name, content in said.files)
    for file in files:
        container.add_item(discord.ui.File(f"attachment://{file.name}"))
    return replace(made, attachments=made.attachments + files)


def _select(menu: Menu, token: str) -> discord.ui.Select[Any]:
    return discord.ui.Select(
        custom_id=custom_id(menu.action, token),
        placeholder=shortened(menu.placeholder),
        options=[
            discord.SelectOption(label=shortened(visible(label)) or "…", value=value)
            for label, value in menu.choices[:MAX_ENTRIES]
            if 0 < len(value) <= MAX_TEXT
        ],
    )


def modal_of(form: Form, token: str) -> Modal:
    """The form; sent, it comes back under its action."""
    modal = Modal(
        title=form.title[:MAX_TITLE], custom_id=custom_id(form.action, token, form.argument)
    )
    for field in form.fields[:MAX_FIELDS]:
        modal.add_item(_entry(field))
    return modal


def _entry(field: FormField) -> discord.ui.Label[Any]:
    style = discord.TextStyle.paragraph if field.long else discord.TextStyle.short
    entry: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=field.name,
        style=style,
        default=None if field.secret else field.value[:MAX_VALUE] or None,
        required=field.required,
        max_length=MAX_VALUE,
    )
    return discord.ui.Label(text=field.label[:MAX_LABEL], component=entry)


def pressed(data: Mapping[str, Any]) -> Pressed | None:
    """A press, a choice or a sent form; None for an id that is none of ours."""
    match = PRESS.fullmatch(str(data.get("custom_id", "")))
    if match is None:
        return None
    values = data.get("values")
    chosen = values[0] if isinstance(values, list) and values else None
    argument = chosen if isinstance(chosen, str) else match[3] or ""
    return Pressed(match[1], match[2], argument, dict(typed_fields(data.get("components"))))


def refusal_view(refusal: Refusal) -> View:
    """Why not, and the nearest that works."""
    first, *more = refusal.message.split("\n")
    blocks: list[Block] = [Heading((Bold(first),)), *(Text((line,)) for line in more)]
    words: list[Span] = ["You gave ", Code(refusal.given), ". "] if refusal.given else []
    if refusal.nearest:
        words.append("Closest: ")
        for place, near in enumerate(refusal.nearest):
            words += [", ", Bold(near)] if place else [Bold(near)]
        words.append(".")
    blocks += [Text(tuple(words))] if words else []
    if refusal.example:
        blocks.append(Text(("For example: ", Code(refusal.example))))
    return View(tuple(blocks), tone="refusal")
