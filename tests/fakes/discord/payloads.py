"""The payload of an interaction, as Discord sends it to a bot."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.limits import STRING_SELECT
from tests.fakes.discord.messages import Stored
from tests.fakes.discord.options import Resolver
from tests.fakes.discord.place import Place
from tests.fakes.discord.world import Json, member_payload

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord
    from tests.fakes.discord.user import User


def new_interaction(
    fake: FakeDiscord,
    user: User,
    kind: int,
    place: Place,
    data: Json,
    source: Stored | None = None,
) -> Interaction:
    """Build an interaction with everything a bot may read from it."""
    payload: Json = {
        "application_id": fake.app_id,
        "type": kind,
        "data": data,
        "version": 1,
        "locale": user.locale,
        "entitlements": [],
        "attachment_size_limit": fake.attachment_limit,
        **place.payload(user.id),
    }
    if place.guild is None:
        payload["user"] = user.json
    else:
        may = place.guild.permissions(user.roles)
        payload["member"] = member_payload(user.json, user.role_ids(place.guild), may)
    if source is not None:
        payload["message"] = copy.deepcopy(source.json)
    return Interaction(fake.new_id(), kind, user.json, place, payload, source)


def command_data(command: Json, options: list[Json], resolver: Resolver) -> Json:
    """Return the data of a command's interaction."""
    data: Json = {k: command[k] for k in ("id", "name", "type", "guild_id") if k in command}
    if options:
        data["options"] = options
    return data | {"resolved": resolver.resolved} if resolver.resolved else data


def option_value(menu: Json, wanted: str) -> str:
    """Return the value of a string menu's entry, by label or value."""
    if menu["type"] != STRING_SELECT:
        return wanted
    for option in menu["options"]:
        if wanted in (option["label"], option["value"]):
            return str(option["value"])
    raise AssertionError(f"{wanted!r} is no option of {menu['custom_id']!r}")
