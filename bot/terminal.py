"""The terminal door: flags made from the request's fields, the answer as a table or JSON."""

from __future__ import annotations

import argparse
import asyncio
import atexit
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pydantic import JsonValue
from pydantic.fields import FieldInfo

from bot.command import Command
from bot.view import View
from compute.inputs import check_inputs, short_name
from compute.tool import Refused, Request, Result
from content.errors import CatalogueError

USAGE_ERROR = 2
CLEAR = "\r\x1b[K"  # the line of a terminal
MAX_CONFIG_BYTES = 4_000_000


def run_tool(command: Command, argv: Sequence[str]) -> int:
    """``k2c TOOL ...``: print the answer; a refusal goes to stderr with exit code 2."""
    try:
        words = command.words(argv) if command.words is not None else argv
        if isinstance(words, int):
            return words
        chosen = _parser(command).parse_args([_dashed(word) for word in words])
        if getattr(chosen, "jsonl", None):
            return _batch(command, Path(chosen.jsonl), chosen.out)
        request = check_inputs(command.tool, _inputs(command, chosen))
        result = asyncio.run(_run(command, request))
    except Refused as refused:
        return _refuse(command, refused)
    except CatalogueError as error:
        return _refuse(command, Refused(f"{error}."))
    if chosen.json:
        return _write_json(result, chosen.json)
    _show(command.show(request, result))
    if chosen.assumptions and command.details is not None:
        _show(command.details(request, result))
    return 0


def _parser(command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"k2c {command.name}", description=f"{command.tool.title}: {command.description}"
    )
    for field, info in command.tool.request.model_fields.items():
        names = dict.fromkeys((_flag(short_name(field, info)), _flag(field)))
        text = (info.description or "").replace("%", "%%")
        if _is_object(info):
            text = f"file with {text}"
        parser.add_argument(*names, dest=field, help=text, metavar="FILE" if _is_object(info)
                            else short_name(field, info).upper())  # fmt: skip
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE",
                        help="print the result as JSON, or write it to FILE")  # fmt: skip
    parser.add_argument("--assumptions", action="store_true", help="say what is assumed")
    if command.tool.batch is not None:
        parser.add_argument("--jsonl", metavar="FILE", help="one request a line (- = stdin)")
        parser.add_argument("--out", metavar="FILE", help="where the answers go (default stdout)")
    return parser


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _dashed(word: str) -> str:
    """``--kv_dtype`` as people copy it from the slash command is ``--kv-dtype``."""
    flag, equals, value = word.partition("=")
    return flag.replace("_", "-") + equals + value if word.startswith("--") else word


def _is_object(info: FieldInfo) -> bool:
    return any(str(part).startswith("dict") for part in get_args(info.annotation))


def _inputs(command: Command, chosen: argparse.Namespace) -> dict[str, JsonValue]:
    inputs: dict[str, JsonValue] = {}
    for field, info in command.tool.request.model_fields.items():
        value = getattr(chosen, field)
        if value is not None:
            inputs[field] = _json_file(value) if _is_object(info) else value
    return inputs


def _json_file(name: str) -> JsonValue:
    """A file the operator named; only the terminal can name one."""
    try:
        with Path(name).open("rb") as file:
            text = file.read(MAX_CONFIG_BYTES + 1)
        if len(text) > MAX_CONFIG_BYTES:
            raise Refused(f"{name} is larger than {MAX_CONFIG_BYTES:,} bytes.")
        value: JsonValue = json.loads(text)
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise Refused(f"{name} is not JSON: {error}.") from None
    return value


async def _run(command: Command, request: Request) -> Result:
    from compute.context import LocalContext
    from config.settings import SettingsError, load_settings

    try:
        endpoint = load_settings().hf_endpoint
    except SettingsError as error:
        raise Refused(error.problems[0]) from None
    slow = command.tool.needs(request) is not None and sys.stderr.isatty()
    context = LocalContext(endpoint, _report) if slow else LocalContext(endpoint)
    try:
        result: Result = await command.tool.run(request, context)
    finally:
        await context.close()
        sys.stderr.write(CLEAR if slow else "")
    if context.process_lost:
        atexit.register(_leave)
    return result


def _leave() -> None:
    """End without what libraries do at the end: CUDA's waits for a kernel that hangs."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


async def _report(fraction: float, words: str, partial: Result | None) -> None:
    """One line that is written over: what a worker would tell its bot."""
    sys.stderr.write(f"{CLEAR}{fraction:4.0%} {words[:70]}")
    sys.stderr.flush()


def _write_json(result: Result, target: str) -> int:
    text = result.model_dump_json(indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return 0
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"k2c: {target} cannot be written: {error.strerror}.\n")
        return USAGE_ERROR
    return 0


def _batch(command: Command, source: Path, target: str | None) -> int:
    assert command.tool.batch is not None
    try:
        lines = sys.stdin if str(source) == "-" else source.open(encoding="utf-8", errors="replace")
        with lines, open(target, "w", encoding="utf-8") if target else sys.stdout as out:
            answered, refused = command.tool.batch(lines, out)
    except OSError as error:
        raise Refused(f"{error.filename} cannot be used: {error.strerror}.") from None
    sys.stderr.write(f"{answered:,} answered, {refused:,} impossible\n")
    return 0


def _show(view: View) -> None:
    from rich.console import Console

    from bot.render.terminal import print_view

    print_view(Console(highlight=False), view)


def _refuse(command: Command, refused: Refused) -> int:
    refusal = refused.refusal
    option = command.option(refusal.field or "")
    lines = [refusal.message]
    if option is not None and refusal.given is not None:
        lines.append(f"You gave {_flag(option.name)} {refusal.given!r}.")
    if refusal.nearest:
        lines.append(f"Closest: {', '.join(refusal.nearest)}.")
    if refusal.example:
        flag = f"{_flag(option.name)} " if option else ""
        lines.append(f"For example: {flag}{refusal.example}")
    sys.stderr.write("k2c: " + "\n     ".join(lines) + "\n")
    return USAGE_ERROR
