"""Registered commands, global and of one guild: one set of handlers for both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.discord.calls import Answer, Call, Route
from tests.fakes.discord.command_limits import CHAT_INPUT, check_commands
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.world import Json

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


def _scope(fake: FakeDiscord, call: Call) -> list[Json]:
    """Return the set the call is about."""
    if call.params["application_id"] != fake.app_id:
        raise ApiError(50001)
    guild_id = call.params.get("guild_id")
    if guild_id is None:
        return fake.commands
    if not any(g.id == guild_id and g.has_bot for g in fake.guilds):
        raise ApiError(50001)
    return fake.guild_commands.setdefault(guild_id, [])


def _register(fake: FakeDiscord, call: Call, body: Json, old: Json | None) -> Json:
    """Return the command as Discord keeps it; unset fields get its defaults."""
    command: Json = {
        "name_localizations": None,
        "description": "",
        "description_localizations": None,
        "options": [],
        "default_member_permissions": None,
        "dm_permission": True,
        "contexts": None,
        "integration_types": [0],
        "nsfw": False,
    }
    command |= {key: value for key, value in body.items() if value is not None}
    command["type"] = body.get("type") or CHAT_INPUT
    if command["default_member_permissions"] is not None:
        command["default_member_permissions"] = str(command["default_member_permissions"])
    command |= {"id": old["id"] if old else fake.new_id(), "application_id": fake.app_id}
    if guild_id := call.params.get("guild_id"):
        command["guild_id"] = guild_id
    return command | {"version": fake.new_id()}


def _find(commands: list[Json], body: Json) -> Json | None:
    key = (body["name"], body.get("type") or CHAT_INPUT)
    return next((c for c in commands if (c["name"], c["type"]) == key), None)


def _get(commands: list[Json], call: Call) -> Json:
    found = [c for c in commands if c["id"] == call.params["command_id"]]
    if not found:
        raise ApiError(10063)
    return found[0]


async def list_commands(fake: FakeDiscord, call: Call) -> Answer:
    """List the set."""
    return 200, _scope(fake, call)


async def overwrite(fake: FakeDiscord, call: Call) -> Answer:
    """Replace the whole set; a command of an old name keeps its id."""
    commands = _scope(fake, call)
    check_commands(call.body)
    fake.syncs["PUT"] += 1
    commands[:] = [_register(fake, call, body, _find(commands, body)) for body in call.body]
    return 200, commands


async def create(fake: FakeDiscord, call: Call) -> Answer:
    """Add a command, or replace the one of its name."""
    commands = _scope(fake, call)
    old = _find(commands, call.body)
    check_commands([*(c for c in commands if c is not old), call.body])
    fake.syncs["POST"] += 1
    command = _register(fake, call, call.body, old)
    commands[:] = [*(c for c in commands if c is not old), command]
    return (200 if old else 201), command


async def get(fake: FakeDiscord, call: Call) -> Answer:
    """Return one command."""
    return 200, _get(_scope(fake, call), call)


async def edit(fake: FakeDiscord, call: Call) -> Answer:
    """Change one command."""
    commands = _scope(fake, call)
    old = _get(commands, call)
    check_commands([*(c for c in commands if c is not old), old | call.body])
    fake.syncs["PATCH"] += 1
    commands[commands.index(old)] = command = _register(fake, call, old | call.body, old)
    return 200, command


async def delete(fake: FakeDiscord, call: Call) -> Answer:
    """Remove one command."""
    commands = _scope(fake, call)
    commands.remove(_get(commands, call))
    fake.syncs["DELETE"] += 1
    return 204, None


GLOBAL = "/applications/{application_id}/commands"
OF_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"
ROUTES: tuple[Route, ...] = tuple(
    route
    for base in (GLOBAL, OF_GUILD)
    for route in (
        ("GET", base, list_commands),
        ("PUT", base, overwrite),
        ("POST", base, create),
        ("GET", base + "/{command_id}", get),
        ("PATCH", base + "/{command_id}", edit),
        ("DELETE", base + "/{command_id}", delete),
    )
)
