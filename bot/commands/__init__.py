"""One file per slash command, found by walking this folder: a new command edits no list."""

from __future__ import annotations

import importlib
import pkgutil

from bot.command import Command

HOME = "home"  # the package of the home servers' own commands, which are no tools


def command_names() -> list[str]:
    """The names of all commands, without importing any."""
    return sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name != HOME)


def load_command(name: str) -> Command:
    """The command of that name. Raises ``LookupError``."""
    if name not in command_names():
        raise LookupError(f"there is no command /{name}")
    command = importlib.import_module(f"{__name__}.{name}").COMMAND
    if not isinstance(command, Command):
        raise TypeError(f"bot/commands/{name}.py: COMMAND is not a Command")
    return command


def load_commands() -> dict[str, Command]:
    """Every command by name."""
    return {name: load_command(name) for name in command_names()}
