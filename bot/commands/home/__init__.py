"""One file or package per command of the home servers, found by walking this folder."""

from __future__ import annotations

import importlib
import pkgutil

from bot.guild_command import GuildCommand


def load_home_commands() -> dict[str, GuildCommand]:
    """Every command of the home servers by name."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return {name: _load(name) for name in names}


def _load(name: str) -> GuildCommand:
    command = importlib.import_module(f"{__name__}.{name}").COMMAND
    if not isinstance(command, GuildCommand):
        raise TypeError(f"bot/commands/home/{name}: COMMAND is not a GuildCommand")
    return command
