"""/config endpoint: where /eval may ask, with a key typed into a form and kept encrypted."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands.home.config.words import by_of
from bot.community.endpoints import checked_name, checked_origin
from bot.guild_command import (
    Caller,
    Form,
    FormField,
    GuildHouse,
    GuildOption,
    Pressed,
    Said,
    Subcommand,
    Value,
)
from bot.view import Bold, Heading, Note, View

KEY_FORM = "cfgkey"


async def open_form(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """The form for the key; name and origin are checked first."""
    del caller
    house.community.endpoints.need_secret()
    name = checked_name(str(values["name"]))
    origin = checked_origin(str(values["origin"]))
    fields = (
        FormField("name", "Name", name),
        FormField("origin", "Origin (https://host)", origin),
        FormField("key", "Key (encrypted, never shown again)", secret=True),
    )
    return Said(View(()), form=Form("Key of an endpoint", KEY_FORM, "", fields))


async def keep_key(house: GuildHouse, caller: Caller, pressed: Pressed) -> Said:
    """The sent form."""
    given = pressed.values
    name, origin = given.get("name", ""), given.get("origin", "")
    key = given.get("key", "")
    await house.community.endpoints.put(caller.guild_id, name, origin, key, by_of(caller))
    head = Heading((Bold(f"Endpoint {name} is kept, with its key."),))
    note = Note(("The key is encrypted, goes to that origin alone, and is never shown again.",))
    return Said(View((head, note), tone="notice"))


ENDPOINT = Subcommand(
    "endpoint",
    "An endpoint that /eval may ask, and its key (in a form).",
    (
        GuildOption("name", "How /eval calls it: lower-case letters, digits, hyphens", "text"),
        GuildOption("origin", "Its address: https://host, and perhaps a port", "text"),
    ),
    open_form,
)
