"""A slash command: how a tool's options look, and how its result is shown at every door."""

from __future__ import annotations

import logging
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import JsonValue
from pydantic.fields import FieldInfo

from bot.progress_view import progress_view, unfinished_view
from bot.runner import LiveRun, Outcome
from bot.view import Block, Bold, Button, Code, Heading, Link, Menu, Note, Span, Text, View
from compute.inputs import short_name
from compute.tool import AnyTool, Fix, Refusal, Request

log = logging.getLogger(__name__)

Kind = Literal["text", "integer", "number", "boolean"]
Choice = tuple[str, str]  # what is shown, what is sent
Suggest = Callable[[str], Sequence[Choice]]

# What a button can ask for. Each is a custom id "k2c:<action>:<result id>[:<argument>]".
ACTIONS = ("change", "details", "share", "chart", "fix", "delete", "cancel", "discuss",
           "compare", "versus")  # fmt: skip

BUTTON_LABEL = 80  # characters Discord allows on a button
NAME = 80  # characters of a run's name
MAX_NEAREST_BUTTONS = 3
MAX_CHOICES = 25  # Discord's limit for choices and suggestions


@dataclass(frozen=True, slots=True)
class Slider:
    """The range in which a page offers to drag a number; a request's field declares it.

    ``step`` of a linear one; on a logarithmic one (``log``) each step is the same factor.
    ``start``: where it stands while nothing is given and the field has no default.
    """

    low: float
    high: float
    log: bool = False
    step: float = 1.0
    start: float | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One option as typed: the short name, and what it fills in the request.

    ``upload``: a page also fills it from a file of the visitor's (".csv").
    """

    name: str
    field: str
    description: str
    kind: Kind
    required: bool
    choices: tuple[Choice, ...] = ()
    suggest: Suggest | None = None
    slider: Slider | None = None
    upload: str = ""


@dataclass(frozen=True)
class Command:
    """One file of bot/commands holds one of these as ``COMMAND``.

    ``show`` turns (request, result) into the answer; ``details`` into what is behind the
    Assumptions button. ``user_installable``: works in any server and in direct messages.
    ``private``: the answer is for its asker alone, so there is nothing to share. ``subject``
    names a run of a request in a few words ("rms_norm bf16"), while it is waited for. ``live``:
    the answer is read from the running bot (its jobs, its workers), not made by the tool.
    ``more``: options of forms, pages and typed lines that the slash command does not list.
    ``slash`` False: it is the operator's, on pages, in the API and the terminal alone.
    ``versus`` shows two results side by side, those that ``alike`` gives the same value for.
    ``words``: the terminal's words without a flag, as flags; or the exit code of a subcommand that
    they were.
    """

    tool: AnyTool
    options: tuple[Option, ...]
    show: Callable[[Any, Any], View]
    details: Callable[[Any, Any], View] | None = None
    user_installable: bool = True
    private: bool = False
    subject: Callable[[Any], str] | None = None
    live: LiveRun | None = None
    more: tuple[Option, ...] = ()
    slash: bool = True
    words: Callable[[Sequence[str]], Sequence[str] | int] | None = None
    versus: Callable[[Any, Any], View] | None = None
    alike: Callable[[Mapping[str, JsonValue]], object] | None = None

    @property
    def every(self) -> tuple[Option, ...]:
        """The slash command's options, then those of forms and typed lines alone."""
        return self.options + self.more

    @property
    def name(self) -> str:
        """The word after the slash."""
        return self.tool.name

    @property
    def description(self) -> str:
        """What the command does, in at most 100 characters."""
        return self.tool.summary

    def option(self, name: str) -> Option | None:
        """The option of that short name or field name."""
        return next((o for o in self.every if name in (o.name, o.field)), None)


def options_of(
    request: type[Request],
    names: Sequence[str],
    suggest: Mapping[str, Suggest] | None = None,
) -> tuple[Option, ...]:
    """The options ``names`` (short names, in the order shown), described by the request itself."""
    fields = {short_name(f, i): (f, i) for f, i in request.model_fields.items()}
    return tuple(_option(name, *fields[name], (suggest or {}).get(name)) for name in names)


def suggestions(option: Option, text: str) -> Sequence[Choice]:
    """What goes with the half-typed ``text``, from memory; a door shows ``MAX_CHOICES`` of it."""
    if option.suggest is not None:
        return option.suggest(text)
    return [choice for choice in option.choices if text.casefold() in choice[0].casefold()]


def _option(name: str, field: str, info: FieldInfo, suggest: Suggest | None) -> Option:
    allowed = _members(info.annotation)
    literal = tuple((str(v), str(v)) for v in allowed if isinstance(v, str))
    extra: Any = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    return Option(
        name=name,
        field=field,
        description=info.description or name,
        kind=_kind(allowed),
        required=info.is_required(),
        choices=literal if all(isinstance(v, str) for v in allowed) else (),
        suggest=suggest,
        slider=Slider(**extra["slider"]) if "slider" in extra else None,
        upload=str(extra.get("upload", "")),
    )


def _members(annotation: Any) -> tuple[Any, ...]:
    """The plain types and literal strings that ``annotation`` allows."""
    origin = get_origin(annotation)
    if origin is Literal:
        return get_args(annotation)
    if origin in (Union, types.UnionType):
        return tuple(m for part in get_args(annotation) for m in _members(part))
    if hasattr(annotation, "__metadata__"):
        return _members(get_args(annotation)[0])
    return () if annotation is type(None) else (annotation,)


def _kind(members: tuple[Any, ...]) -> Kind:
    kinds: dict[tuple[Any, ...], Kind] = {
        (int,): "integer",
        (float,): "number",
        (bool,): "boolean",
    }
    return kinds.get(members, "text")


def answer(command: Command, outcome: Outcome) -> View:
    """The whole answer as every door shows it: content, repairs, and the standard buttons."""
    if outcome.unfinished:
        return pending(command, outcome)
    if outcome.refusal is not None or outcome.result is None or outcome.request is None:
        return _refusal(command, outcome.refusal or Refusal(message="There is no answer."), outcome)
    view = command.show(outcome.request, outcome.result)
    buttons: list[Block] = [*_fix_buttons(fixes_of(outcome))]
    if command.options:
        buttons.append(Button("Change inputs", "change"))
    if command.details is not None:
        buttons.append(Button("Assumptions", "details"))
    if command.versus is not None:
        buttons.append(Button("Compare with\u2026", "compare"))
    if not command.private:
        buttons += [Button("Share", "share"), Link("Page", f"/r/{outcome.id}")]
    return view.plus(*buttons)


def pending(command: Command, outcome: Outcome) -> View:
    """How far an unfinished run is, and what it found so far."""
    name, progress = run_name(command, outcome.inputs, outcome.request), outcome.pending
    if progress is None:
        return unfinished_view(name)
    partial = None
    if progress.partial is not None:
        try:
            so_far = command.tool.result.model_validate(progress.partial)
            partial = command.show(outcome.request, so_far)
        except Exception:
            log.warning("ref %s: a partial result cannot be shown", outcome.ref, exc_info=True)
    return progress_view(name, progress, partial)


def run_name(command: Command, inputs: Mapping[str, JsonValue], request: Request | None) -> str:
    """What names a run: the command's own words for it, else its options' values in order."""
    if command.subject is not None and request is not None:
        name = command.subject(request)
    else:
        given = (inputs.get(option.name, inputs.get(option.field)) for option in command.options)
        words = (str(value) for value in given if value is not None)
        name = " ".join((f"/{command.name}", *words))
    name = " ".join(name.split())
    return name if len(name) <= NAME else name[: NAME - 1] + "\u2026"


def _refusal(command: Command, refusal: Refusal, outcome: Outcome) -> View:
    option = next((o for o in command.every if o.field == refusal.field), None)
    blocks: list[Block] = [Heading((Bold(refusal.message),))]
    given: list[Span] = []
    if option is not None and refusal.given is not None:
        given = ["You gave ", Code(f"{option.name}:{refusal.given}"), ". "]
    if refusal.nearest:
        given.append("Closest: ")
        for place, near in enumerate(refusal.nearest):
            given += [", ", Bold(near)] if place else [Bold(near)]
        given.append(".")
    if given:
        blocks.append(Text(tuple(given)))
    if refusal.example:
        name = option.name if option else command.name
        blocks.append(Text(("For example: ", Code(f"{name}:{refusal.example}"))))
    blocks.append(Note((f"ref {outcome.ref}",)))
    fixes = fixes_of(outcome)
    blocks += _fix_buttons(fixes)
    change = Button("Change inputs", "change", style="plain" if fixes else "primary")
    return View((*blocks, change), tone="refusal")


def _fix_buttons(fixes: Sequence[Fix]) -> list[Block]:
    """A button each, a menu for each group; the first that the answer needs stands out."""
    needed = next((place for place, fix in enumerate(fixes) if not fix.optional), None)
    groups: dict[str, list[Button]] = {}
    for place, fix in enumerate(fixes):
        style: Literal["plain", "primary"] = "primary" if place == needed else "plain"
        groups.setdefault(fix.group, []).append(Button(fix.label, "fix", str(place), style))
    alone = groups.pop("", [])
    return [*alone, *(Menu(name, tuple(entries)) for name, entries in groups.items())]


def fixes_of(outcome: Outcome) -> Sequence[Fix]:
    """The repairs that the answer offers, in the order of its buttons.

    A refusal that names nearest values but no repair offers those values, one press away; one
    that names nothing near offers its example.
    """
    if outcome.refusal is None:
        fixes: Sequence[Fix] = getattr(outcome.result, "fixes", ())
        return fixes
    refusal = outcome.refusal
    if refusal.fixes or refusal.field is None:
        return refusal.fixes
    field = refusal.field
    values = refusal.nearest[:MAX_NEAREST_BUTTONS] or (refusal.example,)
    return [
        Fix(label=f"Use {value}"[:BUTTON_LABEL], changes={field: value})
        for value in values
        if value
    ]


def repaired(outcome: Outcome, place: int) -> dict[str, JsonValue]:
    """The inputs after pressing repair ``place``. Raises ``LookupError`` if there is none."""
    fixes = fixes_of(outcome)
    if not 0 <= place < len(fixes):
        raise LookupError("this answer offers no such change")
    return with_inputs(outcome.tool, outcome.inputs, fixes[place].changes)


def with_inputs(
    tool: AnyTool, inputs: Mapping[str, JsonValue], changes: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """``inputs`` with ``changes`` over them, both under the short names."""
    names = {f: short_name(f, i) for f, i in tool.request.model_fields.items()}
    merged = {names.get(name, name): value for name, value in inputs.items()}
    merged |= {names.get(name, name): value for name, value in changes.items()}
    return merged


def number(value: float, digits: int = 3) -> str:
    """``value`` with ``digits`` significant figures and thousands separators: 1,480; 21.6."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "unknown"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    return f"{rounded:,.{max(places, 0)}f}"
