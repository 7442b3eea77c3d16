"""What a Discord client does between a user's typing and the interaction: types, ids, choices."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.discord.command_limits import (
    GROUP,
    INTEGER,
    NUMBER,
    STRING,
    SUBCOMMAND,
    TYPED,
)
from tests.fakes.discord.messages import Upload
from tests.fakes.discord.place import Place
from tests.fakes.discord.world import Channel, Json, Role, member_payload

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord
    from tests.fakes.discord.user import User

BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, ATTACHMENT = 5, 6, 7, 8, 9, 11


@dataclass
class Resolver:
    """Turns objects of the test into ids, keeping what the interaction must carry along."""

    fake: FakeDiscord
    place: Place
    resolved: Json = field(default_factory=dict)

    def id_of(self, value: User | Channel | Role | Upload) -> str:
        """Return the id of ``value`` and remember its description."""
        if isinstance(value, Upload):
            found = self.fake.messages.keep_file(value, self.place.channel.id)
            return self._keep("attachments", found["id"], found)
        if isinstance(value, Channel):
            may = {"permissions": "0", "parent_id": value.parent.id if value.parent else None}
            return self._keep("channels", value.id, value.payload(self.fake.app_id) | may)
        if isinstance(value, Role):
            return self._keep("roles", value.id, value.payload())
        if self.place.guild is not None:
            member = member_payload({}, value.role_ids(self.place.guild), 0)
            self._keep("members", value.id, {k: v for k, v in member.items() if k != "user"})
        return self._keep("users", value.id, value.json)

    def _keep(self, kind: str, key: str, what: Json) -> str:
        self.resolved.setdefault(kind, {})[key] = what
        return key

    def any_id(self, value: Any) -> Any:
        """Return an id for an object of the test, anything else as it is."""
        return value if isinstance(value, (str, int, float, bool)) else self.id_of(value)


def find_options(command: Json, path: list[str]) -> list[Json]:
    """Return the declared options of a command or of a subcommand below it."""
    options: list[Json] = command.get("options") or []
    for name in path:
        inner = [o for o in options if o["name"] == name and o["type"] in (SUBCOMMAND, GROUP)]
        assert inner, f"/{command['name']} has no subcommand {name!r}"
        options = inner[0].get("options") or []
    return options


def typed_options(
    declared: list[Json], values: Mapping[str, Any], resolver: Resolver, *, partial: bool = False
) -> list[Json]:
    """Return the options as sent. A client refuses what this refuses, by AssertionError.

    ``partial`` is the state while a user still types: nothing is required or complete.
    """
    by_name = {option["name"]: option for option in declared}
    unknown = set(values) - set(by_name)
    assert not unknown, f"undeclared options {sorted(unknown)}; declared: {sorted(by_name)}"
    missing = [o["name"] for o in declared if o.get("required") and o["name"] not in values]
    assert partial or not missing, f"required options are missing: {missing}"
    sent = []
    for name, value in values.items():
        option = by_name[name]
        final = resolver.any_id(value)
        if not partial:
            _check(option, final)
        sent.append({"name": name, "type": option["type"], "value": final})
    return sent


def crafted_options(
    declared: list[Json], values: Mapping[str, Any], resolver: Resolver
) -> list[Json]:
    """Return options as a crafted request would hold them: any value, any name."""
    kinds: dict[type, int] = {bool: BOOLEAN, int: INTEGER, float: NUMBER, str: STRING}
    known = {option["name"]: option["type"] for option in declared}
    return [
        {
            "name": name,
            "type": known.get(name) or kinds.get(type(value), ATTACHMENT),
            "value": resolver.any_id(value),
        }
        for name, value in values.items()
    ]


def nest(path: list[str], options: list[Json]) -> list[Json]:
    """Wrap options into their subcommand and group."""
    for depth, name in enumerate(reversed(path)):
        kind = SUBCOMMAND if depth == 0 else GROUP
        options = [{"name": name, "type": kind, "options": options}]
    return options


def _check(option: Json, value: Any) -> None:
    name, kind = option["name"], option["type"]
    wanted = TYPED.get(kind, bool if kind == BOOLEAN else str)
    right = isinstance(value, wanted) and (kind == BOOLEAN or not isinstance(value, bool))
    assert right, f"option {name!r} of type {kind} cannot be {value!r}"
    if choices := option.get("choices"):
        assert value in [c["value"] for c in choices], f"{value!r} is no choice of {name!r}"
    if kind in (INTEGER, NUMBER):
        low, high = option.get("min_value"), option.get("max_value")
        assert low is None or value >= low, f"{name!r} is at least {low}"
        assert high is None or value <= high, f"{name!r} is at most {high}"
        assert abs(value) <= 2**53, f"{name!r} is over what a client can send"
    if kind == STRING:
        low, high = option.get("min_length") or 0, option.get("max_length") or 6000
        assert low <= len(value) <= high, f"{name!r} is {low} to {high} characters long"


def filled_modal(
    components: list[Json], values: Mapping[str, Any], resolver: Resolver
) -> list[Json]:
    """Return a modal's components as a submission sends them, filled by label or custom id.

    What ``values`` leaves out keeps the text the modal was shown with.
    """
    left = dict(values)
    sent = [_filled(component, left, resolver, "") for component in copy.deepcopy(components)]
    assert not left, f"the modal has no fields {sorted(left)}"
    return [component for component in sent if component["type"] != 10]


def _filled(component: Json, left: dict[str, Any], resolver: Resolver, label: str) -> Json:
    kind, number = component["type"], component.get("id", 1)
    if kind == 1:
        inner = [_filled(c, left, resolver, "") for c in component["components"]]
        return {"type": 1, "id": number, "components": inner}
    if kind == 18:
        inner_one = _filled(component["component"], left, resolver, component["label"])
        return {"type": 18, "id": number, "component": inner_one}
    if kind == 10:
        return {"type": 10, "id": number}
    custom_id, label = component["custom_id"], component.get("label") or label
    given = left.pop(custom_id, left.pop(label, None))
    answer: Json = {"type": kind, "id": number, "custom_id": custom_id}
    if kind in (4, 21, 23):
        return answer | {"value": _single(component, label, given)}
    if given is None:
        given = [o["value"] for o in component.get("options") or () if o.get("default")]
    chosen = [resolver.any_id(v) for v in (given if isinstance(given, list) else [given])]
    assert chosen or component.get("required") is False, f"{label!r} must be filled"
    return answer | {"values": chosen}


def _single(component: Json, label: str, given: Any) -> Any:
    if component["type"] == 23:
        return bool(component.get("default") if given is None else given)
    if component["type"] == 21:
        shown = [o["value"] for o in component["options"] if o.get("default")]
        return given if given is not None else next(iter(shown), None)
    text = str((component.get("value") or "") if given is None else given)
    assert text or component.get("required") is False, f"{label!r} must be filled"
    low, high = component.get("min_length") or 0, component.get("max_length") or 4000
    assert not text or low <= len(text) <= high, f"{label!r} is {low} to {high} characters long"
    return text
