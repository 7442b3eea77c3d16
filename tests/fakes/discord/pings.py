"""Whom a new message would notify: what it mentions, cut down to what ``allowed_mentions`` says."""

from __future__ import annotations

import re

from tests.fakes.discord.limits import EPHEMERAL, visible_text
from tests.fakes.discord.world import Json

CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
USER, ROLE = re.compile(r"<@!?(\d+)>"), re.compile(r"<@&(\d+)>")


def pings_of(message: Json, allowed: Json | None, *, may_ping_everyone: bool) -> set[str]:
    """Return user ids, ``role:<id>``, ``everyone`` and ``here``.

    Embeds and code never notify, nor does an edit (which this is not asked for), nor does a
    private answer reach anyone but its reader.
    """
    if message["flags"] & EPHEMERAL:
        return set()
    text = CODE.sub(" ", visible_text(message))
    users, roles = set(USER.findall(text)), set(ROLE.findall(text))
    found = {word for word in ("everyone", "here") if f"@{word}" in text and may_ping_everyone}
    replied = _replied_to(message, allowed)
    if allowed is None:
        return found | users | {f"role:{r}" for r in roles} | replied
    parse = allowed.get("parse") or []
    if "users" not in parse:
        users &= set(map(str, allowed.get("users") or ()))
    if "roles" not in parse:
        roles &= set(map(str, allowed.get("roles") or ()))
    if "everyone" not in parse:
        found = set()
    return found | users | {f"role:{r}" for r in roles} | replied


def _replied_to(message: Json, allowed: Json | None) -> set[str]:
    """A reply notifies its addressee unless ``replied_user`` is off."""
    source = message.get("referenced_message")
    wanted = allowed is None or bool(allowed.get("replied_user"))
    return {source["author"]["id"]} if source and wanted else set()
