"""A server's settings as a JSON file: what is exported, and what of an imported one is believed.

Names in the file are for people; ids count. Keys of endpoints are never in it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.community.changes import Names, by_key, channel_name, role_name
from bot.community.rules import MAX_RUNS, MAX_SETTINGS, Key, checked, key_of
from bot.community.words import (
    CategorySetting,
    ChannelPurpose,
    ChannelSetting,
    Limited,
    LimitSetting,
    Per,
    RolePurpose,
    RoleSetting,
    Setting,
)
from compute.tool import Refused

FORMAT = "k2c-config"
VERSION = 1
MAX_BYTES = 256 * 1024  # 200 settings with names are about 30 KiB
MAX_PROBLEMS = 3

Id = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
Name = Annotated[str, Field(max_length=200)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ChannelRow(_Row):
    """A channel's purpose; ``topic`` "" = all topics."""

    purpose: ChannelPurpose
    channel: Id
    name: Name = ""
    topic: Name = ""
    thread: bool = False


class RoleRow(_Row):
    """A role's purpose."""

    purpose: RolePurpose
    role: Id
    name: Name = ""
    topic: Name = ""


class CategoryRow(_Row):
    """A topic's category; ``topic`` "" = all other topics."""

    topic: Name
    category: Name


class LimitRow(_Row):
    """A limit; ``role`` "" = everybody."""

    what: Limited
    runs: int = Field(ge=0, le=MAX_RUNS)
    per: Per
    role: Id | Literal[""] = ""
    name: Name = ""


class Document(_Row):
    """The file. ``server`` and ``exported_at`` say where it is from, and count for nothing."""

    format: Literal["k2c-config"]
    version: Literal[1]
    server: dict[str, str] = Field(default_factory=dict, max_length=10)
    exported_at: Name = ""
    channels: list[ChannelRow] = Field(default_factory=list, max_length=MAX_SETTINGS)
    roles: list[RoleRow] = Field(default_factory=list, max_length=MAX_SETTINGS)
    categories: list[CategoryRow] = Field(default_factory=list, max_length=MAX_SETTINGS)
    limits: list[LimitRow] = Field(default_factory=list, max_length=MAX_SETTINGS)


@dataclass(frozen=True, slots=True)
class Known:
    """Whether a channel or a role is in the server; the categories on GitHub, none while they are
    not known.
    """

    channel: Callable[[str], bool]
    role: Callable[[str], bool]
    categories: tuple[str, ...] = ()


def export_settings(
    settings: Iterable[Setting], guild_id: str, guild_name: str, names: Names, now: float
) -> bytes:
    """The file; ``now`` in Unix seconds."""
    rows: dict[str, list[dict[str, Any]]] = {
        "channels": [], "roles": [], "categories": [], "limits": [],
    }  # fmt: skip
    for setting in by_key(settings).values():
        kind, row = _row(setting, names)
        rows[kind].append(row.model_dump(mode="json"))
    document = {
        "format": FORMAT,
        "version": VERSION,
        "server": {"id": guild_id, "name": guild_name},
        "exported_at": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        **rows,
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "replace")


def _row(setting: Setting, names: Names) -> tuple[str, _Row]:
    match setting:
        case ChannelSetting(_, purpose, channel_id, topic, thread):
            name = channel_name(channel_id, names)
            return "channels", ChannelRow(
                purpose=purpose, channel=channel_id, name=name, topic=topic, thread=thread
            )
        case RoleSetting(_, role_purpose, role_id, topic):
            name = role_name(role_id, names)
            return "roles", RoleRow(purpose=role_purpose, role=role_id, name=name, topic=topic)
        case CategorySetting(_, topic, category):
            return "categories", CategoryRow(topic=topic, category=category)
        case LimitSetting(_, what, runs, per, role_id):
            name = role_name(role_id, names) if role_id else "everybody"
            return "limits", LimitRow(what=what, runs=runs, per=per, role=role_id, name=name)


def import_settings(content: bytes, guild_id: str, known: Known) -> list[Setting]:
    """The settings that the file asks for. Raises ``Refused`` with the path of what is wrong."""
    if len(content) > MAX_BYTES:
        raise Refused(f"The file has more than {MAX_BYTES // 1024} KiB; a real one is far smaller.")
    try:
        document = Document.model_validate_json(content)
    except ValidationError as error:
        raise Refused(_problems(error)) from None
    found: dict[Key, str] = {}
    settings = []
    for path, setting in _settings(document, guild_id):
        _check(path, setting, known)
        first = found.setdefault(key_of(setting), path)
        if first != path:
            raise Refused(f"{path} sets what {first} sets already.")
        settings.append(setting)
    if len(settings) > MAX_SETTINGS:
        raise Refused(f"The file has {len(settings)} settings; a server has {MAX_SETTINGS}.")
    return settings


def _settings(document: Document, guild_id: str) -> Iterator[tuple[str, Setting]]:
    for n, c in enumerate(document.channels):
        yield f"channels[{n}]", ChannelSetting(guild_id, c.purpose, c.channel, c.topic, c.thread)
    for n, r in enumerate(document.roles):
        yield f"roles[{n}]", RoleSetting(guild_id, r.purpose, r.role, r.topic)
    for n, row in enumerate(document.categories):
        yield f"categories[{n}]", CategorySetting(guild_id, row.topic, row.category)
    for n, limit in enumerate(document.limits):
        role = "" if limit.role == guild_id else limit.role
        yield f"limits[{n}]", LimitSetting(guild_id, limit.what, limit.runs, limit.per, role)


def _check(path: str, setting: Setting, known: Known) -> None:
    try:
        checked(setting)
    except Refused as refused:
        where = f"{path}.{refused.refusal.field}" if refused.refusal.field else path
        raise Refused(f"{where}: {refused.message}", nearest=refused.refusal.nearest) from None
    if isinstance(setting, ChannelSetting) and not known.channel(setting.channel_id):
        raise Refused(
            f"{path}.channel: there is no channel {setting.channel_id} in this server that I can "
            "see."
        )
    if isinstance(setting, CategorySetting) and known.categories:
        _check_category(path, setting.category, known.categories)
    role_id = setting.role_id if isinstance(setting, RoleSetting | LimitSetting) else ""
    if role_id and not known.role(role_id):
        raise Refused(f"{path}.role: there is no role {role_id} in this server.")


def _check_category(path: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, 3, 0.3) or known[:3]
        sentence = f"{path}.category: GitHub Discussions has no category {name[:80]}."
        raise Refused(sentence, nearest=tuple(near))


def _problems(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=True, include_input=False)
    words = [_problem(problem) for problem in problems]
    more = f" And {len(words) - MAX_PROBLEMS} more." if len(words) > MAX_PROBLEMS else ""
    return "\n".join(("The file cannot be taken.", *words[:MAX_PROBLEMS])) + more


def _problem(problem: Any) -> str:
    path = _path(problem["loc"])
    return f"{path}: {_sentence(problem)}" if path else f"It {_sentence(problem)}"


def _path(loc: tuple[int | str, ...]) -> str:
    """ "channels[2].topic"; a key from the file is cut, as it may be anything."""
    made = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:40]}" for part in loc)
    return made.removeprefix(".")


def _sentence(problem: Any) -> str:
    context = problem.get("ctx") or {}
    match problem["type"]:
        case "missing":
            return "is missing."
        case "extra_forbidden":
            return "is nothing that I know."
        case "literal_error":
            return f"must be {context.get('expected')}."
        case "string_pattern_mismatch":
            return "must be an id: digits in quotes."
        case "json_invalid":
            return f"is no JSON ({context.get('error')})."
        case "model_type":
            return "is not as /config export makes it."
        case "too_long":
            return f"has more than {context.get('max_length')} entries."
    return f"{problem['msg'][:1].lower()}{problem['msg'][1:]}."
