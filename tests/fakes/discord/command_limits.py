"""The documented limits of commands, autocomplete choices and modals."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.fakes.discord.errors import ApiError, Problem
from tests.fakes.discord.limits import MAX_CUSTOM_ID, Where, walk
from tests.fakes.discord.world import Json

CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
MAX_OF_TYPE = {CHAT_INPUT: 100, USER_MENU: 5, MESSAGE_MENU: 5}
SUBCOMMAND, GROUP, STRING, INTEGER, NUMBER = 1, 2, 3, 4, 10
TYPED: dict[int, type | tuple[type, ...]] = {STRING: str, INTEGER: int, NUMBER: (int, float)}
TEXT_INPUT = 4
MODAL_KINDS = frozenset({1, 10, 18})


def check_commands(commands: list[Json]) -> None:
    """Refuse a set of commands that Discord would refuse."""
    problems: list[Problem] = []
    counts = Counter(c.get("type") or CHAT_INPUT for c in commands)
    for kind, count in counts.items():
        if count > MAX_OF_TYPE[kind]:
            problems.append(((), f"{count} commands of type {kind}, {MAX_OF_TYPE[kind]} allowed"))
    names = Counter((c.get("type") or CHAT_INPUT, c["name"]) for c in commands)
    problems += [((), f"{name!r} is registered twice") for (_, name), n in names.items() if n > 1]
    for index, command in enumerate(commands):
        problems += _command_problems((index,), command)
    if problems:
        raise ApiError(50035, problems)


def _command_problems(at: Where, command: Json) -> Iterator[Problem]:
    described = bool(command.get("description"))
    if (command.get("type") or CHAT_INPUT) != CHAT_INPUT:
        if described or command.get("options"):
            yield at, "a context menu has no description and no options"
        return
    yield from _name_problems(at, command)
    yield from _options_problems(at, command.get("options") or [])
    if (size := _size(command)) > 8000:
        yield at, f"{size} characters of names, descriptions and values, 8000 are allowed"


def _name_problems(at: Where, thing: Json) -> Iterator[Problem]:
    if not re.fullmatch(r"[-_'\w]{1,32}", thing["name"]) or thing["name"] != thing["name"].lower():
        yield (*at, "name"), f"{thing['name']!r} is not 1 to 32 lower-case letters, digits, - or _"
    if not 1 <= len(thing.get("description") or "") <= 100:
        yield (*at, "description"), "must be between 1 and 100 in length"


def _options_problems(at: Where, options: list[Json]) -> Iterator[Problem]:
    if len(options) > 25:
        yield (*at, "options"), "must be 25 or fewer in length"
    if len({o["name"] for o in options}) != len(options):
        yield (*at, "options"), "two options have one name"
    optional_seen = False
    for index, option in enumerate(options):
        place = (*at, "options", index)
        yield from _name_problems(place, option)
        if option["type"] in (SUBCOMMAND, GROUP):
            yield from _options_problems(place, option.get("options") or [])
            continue
        if option.get("required") and optional_seen:
            yield place, "required options come before optional ones"
        optional_seen |= not option.get("required")
        yield from _choices_problems(place, option)


def _choices_problems(at: Where, option: Json) -> Iterator[Problem]:
    choices = option.get("choices") or []
    if choices and option.get("autocomplete"):
        yield at, "choices and autocomplete exclude each other"
    yield from choice_problems((*at, "choices"), choices, option["type"])


def choice_problems(at: Where, choices: list[Json], option_type: int) -> Iterator[Problem]:
    """Yield what is wrong with choices, registered or suggested."""
    if len(choices) > 25:
        yield at, "must be 25 or fewer in length"
    for index, choice in enumerate(choices):
        name, value = choice.get("name"), choice.get("value")
        if not isinstance(name, str) or not 1 <= len(name) <= 100:
            yield (*at, index, "name"), "must be between 1 and 100 in length"
        if isinstance(value, bool) or not isinstance(value, TYPED.get(option_type, str)):
            yield (*at, index, "value"), f"{value!r} does not fit an option of type {option_type}"
        elif isinstance(value, str) and not 1 <= len(value) <= 100:
            yield (*at, index, "value"), "must be between 1 and 100 in length"


def _size(thing: Json) -> int:
    def longest(key: str) -> int:
        words = [thing.get(key) or "", *(thing.get(f"{key}_localizations") or {}).values()]
        return max(map(len, words))

    values = sum(len(c["name"]) + len(str(c["value"])) for c in thing.get("choices") or ())
    inner = sum(_size(option) for option in thing.get("options") or ())
    return longest("name") + longest("description") + values + inner


def check_modal(modal: Json) -> None:
    """Refuse a modal that Discord would refuse."""
    problems = list(_modal_problems(modal))
    if problems:
        raise ApiError(50035, problems)


def _modal_problems(modal: Json) -> Iterator[Problem]:
    if not 1 <= len(modal["title"]) <= 45:
        yield ("data", "title"), "must be between 1 and 45 in length"
    if not 1 <= len(modal["custom_id"]) <= MAX_CUSTOM_ID:
        yield ("data", "custom_id"), f"must be between 1 and {MAX_CUSTOM_ID} in length"
    if not 1 <= len(modal["components"]) <= 5:
        yield ("data", "components"), "must be between 1 and 5 in length"
    seen: set[str] = set()
    for at, component in walk(modal["components"], ("data", "components")):
        if len(at) == 3 and component["type"] not in MODAL_KINDS:
            yield at, f"type {component['type']} cannot stand at the top of a modal"
        if component["type"] == TEXT_INPUT:
            yield from _input_problems(at, component)
        for key in ("label", "description"):
            limit = {"label": 45, "description": 100}[key]
            if len(component.get(key) or "") > limit:
                yield (*at, key), f"must be {limit} or fewer in length"
        custom_id = component.get("custom_id")
        if custom_id in seen:
            yield (*at, "custom_id"), f"{custom_id!r} is used twice"
        if custom_id:
            seen.add(custom_id)
            if len(custom_id) > MAX_CUSTOM_ID:
                yield (*at, "custom_id"), f"must be {MAX_CUSTOM_ID} or fewer in length"


def _input_problems(at: Where, field: Json) -> Iterator[Problem]:
    value: Any = field.get("value") or ""
    low, high = field.get("min_length") or 0, field.get("max_length") or 4000
    if low > high:
        yield at, "min_length is over max_length"
    if value and not low <= len(value) <= high:
        yield (*at, "value"), f"must be between {low} and {high} in length"
    if len(field.get("placeholder") or "") > 100:
        yield (*at, "placeholder"), "must be 100 or fewer in length"
