"""The command ``k2c``: runs the bot, and every tool from a terminal.

Only what a subcommand needs is imported: ``k2c throughput`` loads no Discord, web or database.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.announce_cli import add_announce_command
from bot.commands import command_names, load_command
from bot.worker_cli import add_worker_commands

if TYPE_CHECKING:
    from bot.app import App
    from config.settings import Settings

USAGE_ERROR = 2  # wrong input, or something about this machine that a person must change


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; what went wrong is one sentence on stderr and exit code 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in command_names():
        from bot.terminal import run_tool

        return run_tool(load_command(arguments[0]), arguments[1:])
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if not hasattr(chosen, "start"):
        parser.print_help()
        return USAGE_ERROR
    try:
        return int(chosen.start(chosen))
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="k2c", description="The bot, the tools and the worker of an ML systems community."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, text in (
        ("up", "start everything that is configured, and say what is not"),
        ("bot", "start the bot and its pages, without a local worker"),
    ):
        up = commands.add_parser(name, help=text, description=text)
        up.set_defaults(start=_serve, worker=name == "up")
    doctor = commands.add_parser("doctor", help="check every part and say what to do")
    doctor.set_defaults(start=_doctor)
    backup = commands.add_parser("backup", help="copy the database while the bot runs")
    backup.add_argument("file", metavar="FILE", help="where the copy goes")
    backup.set_defaults(start=_backup)
    add_announce_command(commands)
    add_worker_commands(commands)
    for name in command_names():
        commands.add_parser(name, help=load_command(name).description, add_help=False)
    return parser


def _settings() -> Settings:
    """The settings, or an exit with one sentence for each wrong variable."""
    from config.settings import SettingsError, load_settings

    try:
        return load_settings()
    except SettingsError as error:
        raise SystemExit(_complain(*error.problems)) from None


def _complain(*sentences: str) -> int:
    for sentence in sentences:
        sys.stderr.write(f"k2c: {sentence}\n")
    return USAGE_ERROR


def _serve(chosen: argparse.Namespace) -> int:
    import asyncio

    from bot.app import App, StartError

    settings = _settings()
    try:
        return asyncio.run(_run(App(settings, worker=chosen.worker)))
    except StartError as error:
        return _complain(str(error))


async def _run(app: App) -> int:
    await app.run(say=lambda line: sys.stdout.write(f"{line}\n"))
    return 0


def _doctor(_: argparse.Namespace) -> int:
    import asyncio

    from bot.doctor import examine

    findings = asyncio.run(examine(_settings()))
    for finding in findings:
        sys.stdout.write(f"{finding.state:8} {finding.part:14} {finding.sentence}\n")
        if finding.fix:
            sys.stdout.write(f"{'':8} {'':14} -> {finding.fix}\n")
    return 1 if any(finding.state == "problem" for finding in findings) else 0


def _backup(chosen: argparse.Namespace) -> int:
    from pathlib import Path

    from bot.backup import backup
    from bot.store import FILE_NAME, StoreError

    source = _settings().data_dir / FILE_NAME
    try:
        size = backup(source, Path(chosen.file))
    except StoreError as error:
        return _complain(str(error))
    sys.stdout.write(f"{chosen.file}: {size / 1e6:.1f} MB, consistent\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
