"""The command line that people type and copy: ``/throughput gpu:h100 model:... batch:32``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import JsonValue

from bot.command import Command, Option
from compute.tool import Refused

MAX_LINE = 8000


def parse_options(command: Command, line: str) -> dict[str, JsonValue]:
    """The inputs of ``gpu:h100 slo:ttft=500ms tpot=30ms``: a value runs to the next known name.

    Raises ``Refused`` for words before the first option and for an option given twice.
    """
    if len(line) > MAX_LINE:
        raise Refused(f"That line is longer than {MAX_LINE:,} characters.")
    starts = list(_option_pattern(command).finditer(line))
    before = line[: starts[0].start()].strip() if starts else line.strip()
    if before:
        names = ", ".join(option.name for option in command.every)
        raise Refused(
            f"I don't know what to do with the words before the options: {names}.",
            given=before[:60],
        )
    inputs: dict[str, JsonValue] = {}
    for place, match in enumerate(starts):
        end = starts[place + 1].start() if place + 1 < len(starts) else len(line)
        option = command.option(match[1].lower())
        if option is None or option.name in inputs:
            raise Refused(f"The option {match[1]} is given twice.")
        inputs[option.name] = line[match.end() : end].strip()
    return inputs


def _option_pattern(command: Command) -> re.Pattern[str]:
    names = {name for option in command.every for name in (option.name, option.field)}
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?:(?<=\s)|^)({words}):", re.IGNORECASE)


def option_line(command: Command, inputs: Mapping[str, JsonValue]) -> str:
    """``inputs`` as options in the command's own order; what is no option is left out."""
    given = {option.name: _given(option, inputs) for option in command.every}
    return " ".join(f"{name}:{_typed(value)}" for name, value in given.items() if value is not None)


def command_line(command: Command, inputs: Mapping[str, JsonValue]) -> str:
    """The whole line, to copy into Discord."""
    return f"/{command.name} {option_line(command, inputs)}".rstrip()


def _given(option: Option, inputs: Mapping[str, JsonValue]) -> JsonValue:
    return inputs.get(option.name, inputs.get(option.field))


def _typed(value: JsonValue) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 5e6 of a program's JSON is 5000000 to type
    return " ".join(str(value).split())
