"""From whatever a door was given to a checked Request, or a sentence saying what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic.fields import FieldInfo

from compute.tool import AnyTool, Refused, Request

SHOWN = 60  # characters of a wrong value that are repeated to the person


def check_inputs(tool: AnyTool, inputs: Mapping[str, JsonValue]) -> Request:
    """The request of ``inputs`` (field names or short names). Raises ``Refused``."""
    try:
        checked: Request = tool.request.model_validate(dict(inputs))
    except ValidationError as error:
        raise _refused(tool, error) from None
    return checked


def short_name(field: str, info: FieldInfo) -> str:
    """The name a person types: the alias where there is one."""
    return info.alias or field


def _refused(tool: AnyTool, error: ValidationError) -> Refused:
    problems = error.errors()
    first = problems[0]
    typed = str(first["loc"][0]) if first["loc"] else ""
    field, info = _field(tool, typed)
    if first["type"] == "extra_forbidden" and info is not None:
        name = short_name(field, info)
        return Refused(f"{name} and {field} are one option: give it once.", field=field)
    if info is None:
        names = ", ".join(short_name(f, i) for f, i in tool.request.model_fields.items())
        return Refused(f"There is no option {shown(typed)}. Options: {names}.")
    same = [p for p in problems if p["loc"] and p["loc"][0] == first["loc"][0]]
    if first["type"] == "missing":
        message = f"The option {short_name(field, info)} is missing: {info.description}."
    else:
        allowed = " or ".join(dict.fromkeys(_allowed(p) for p in same))
        message = f"{short_name(field, info)} must be {allowed}."
    examples = [example for example in info.examples or [] if isinstance(example, str | int)]
    return Refused(
        message,
        field=field,
        given=None if first["type"] == "missing" else shown(first["input"]),
        example=str(examples[0]) if examples else _default(info),
    )


def _field(tool: AnyTool, typed: str) -> tuple[str, FieldInfo | None]:
    for field, info in tool.request.model_fields.items():
        if typed in (field, info.alias):
            return field, info
    return typed, None


def _default(info: FieldInfo) -> str | None:
    return str(info.default) if isinstance(info.default, str | int) and info.default else None


def _allowed(problem: Any) -> str:
    """What a value may be, in words; ``problem`` is one entry of pydantic's ``errors()``."""
    context = problem.get("ctx") or {}
    kind = problem["type"]
    if kind == "missing":
        return f"an object with {problem['loc'][-1]}"
    if kind in _WORDS:
        return _WORDS[kind].format(**{k: _number(v) for k, v in context.items()})
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    return str(problem["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")


_WORDS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "{min_length} or more characters",
    "model_type": "the numbers of a GPU",
    "dict_type": "a JSON object",
}


def _number(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def shown(value: object, limit: int = SHOWN) -> str:
    """A stranger's value, short and on one line, with nothing invisible that could turn text."""
    text = "".join(char if char.isprintable() else " " for char in str(value)).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"
