"""Who may ask for runs, and the limits that hold for them: as set by default, and by moderators."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from bot.community.words import Limited, Per, RolePurpose
from bot.jobs.words import Allowance
from bot.results import StoredResult
from config.settings import Settings

if TYPE_CHECKING:
    from sqlite_utils import Database

HOUR_S = 3600.0
DAY_S = 86_400.0
UNLIMITED = 1_000_000
ELSEWHERE = "Runs on workers exist only in this community's own Discord server."
NOT_HERE = (
    "Runs on workers cannot be asked for on a page that others reach too; ask in the community's "
    "Discord server."
)
NOT_CHOSEN = (
    "In this server only some roles may ask for runs on workers, and you have none of them. "
    "Moderators choose them with /config role."
)
ASKED = "SELECT COUNT(*) FROM asks WHERE asker = ? AND asked_at > ?"
# The run that must grow older than the window before there is room for one more.
BLOCKING = """SELECT asked_at FROM asks WHERE asker = ? AND asked_at > ?
    ORDER BY asked_at DESC LIMIT 1 OFFSET ?"""
UNDER_WAY = "SELECT COUNT(*) FROM asks WHERE asker = ? AND ended_at = 0"


class DefaultPolicy:
    """Members of the home servers, the operator's terminal, and pages that only this machine
    reaches; the numbers are settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._own_pages = is_own(settings.http_host, settings.public_url)

    def allowance(self, row: StoredResult, roles: tuple[str, ...]) -> Allowance:
        """See ``bot.jobs.words.Policy``."""
        del roles  # they mean something where moderators have said so: see CommunityPolicy
        if row.door == "terminal":
            return Allowance(UNLIMITED, UNLIMITED, first=True)
        refusal = ""
        if row.door == "discord":
            home = {str(guild) for guild in self._settings.home_guild_ids}
            refusal = "" if row.guild_id in home else ELSEWHERE
        elif not self._own_pages:
            refusal = NOT_HERE
        return Allowance(self._settings.jobs_per_hour, self._settings.jobs_at_once, refusal=refusal)


class Chosen(Protocol):
    """What moderators chose, from memory; ``bot.community.service.CommunityBook`` knows."""

    def roles(self, purpose: RolePurpose, guild_id: str) -> set[str]:
        """The roles that were given that purpose in that server."""

    def may(self, purpose: RolePurpose, guild_id: str, roles: tuple[str, ...]) -> bool:
        """Whether one of ``roles`` was."""

    def limits(self, what: Limited, guild_id: str, roles: tuple[str, ...]) -> dict[Per, int]:
        """The limits for such a member, where there are any."""


class CommunityPolicy:
    """What moderators chose for a home server, over what holds by default; read at each call, so
    that a change holds at once.
    """

    def __init__(self, settings: Settings, chosen: Chosen) -> None:
        self._default = DefaultPolicy(settings)
        self._chosen = chosen

    def allowance(self, row: StoredResult, roles: tuple[str, ...]) -> Allowance:
        """See ``bot.jobs.words.Policy``. Maintainers may always, and go first."""
        allowance = self._default.allowance(row, roles)
        if row.door != "discord" or allowance.refusal:
            return allowance
        first = self._chosen.may("maintainer", row.guild_id, roles)
        some = self._chosen.roles("run-jobs", row.guild_id)
        if some and not first and not self._chosen.may("run-jobs", row.guild_id, roles):
            return replace(allowance, refusal=NOT_CHOSEN)
        limits = self._chosen.limits("jobs", row.guild_id, roles)
        hour = limits.get("hour", allowance.per_hour)
        day = limits.get("day", allowance.per_day)
        return replace(allowance, per_hour=hour, per_day=day, first=first)


def asker_of(row: StoredResult) -> str:
    """The key that limits and fairness go by: a member, or a door whose visitors are one person."""
    return f"discord:{row.user_id}" if row.door == "discord" else row.door


def is_own(http_host: str, public_url: str) -> bool:
    """Whether only this machine reaches the pages: nothing is forwarded to them from outside."""
    hosts = [http_host] + ([urlsplit(public_url).hostname or ""] if public_url else [])
    return all(_is_loopback(host) for host in hosts)


def over_limit(db: Database, asker: str, allowance: Allowance, now: float) -> str:
    """Why ``asker`` may not have one more now, as a sentence; "" when they may."""
    under_way = db.conn.execute(UNDER_WAY, [asker]).fetchone()[0]
    if under_way >= allowance.at_once:
        return (
            f"You have {under_way} {_runs(under_way)} waiting or running; at most "
            f"{allowance.at_once} are taken at a time. /jobs shows them."
        )
    windows = (("hour", HOUR_S, allowance.per_hour), ("day", DAY_S, allowance.per_day))
    for name, window_s, allowed in windows:
        if sentence := _too_many(db, asker, now, name, window_s, allowed):
            return sentence
    return ""


def _too_many(
    db: Database, asker: str, now: float, name: str, window_s: float, allowed: int
) -> str:
    if allowed >= UNLIMITED:
        return ""
    if allowed <= 0:
        return f"No runs are allowed for you here: the limit is 0 {_each(name)}."
    since = now - window_s
    asked = db.conn.execute(ASKED, [asker, since]).fetchone()[0]
    if asked < allowed:
        return ""
    blocking = db.conn.execute(BLOCKING, [asker, since, allowed - 1]).fetchone()[0]
    wait_min = max(1, round((blocking + window_s - now) / 60))
    wait = f"{wait_min} min" if wait_min < 120 else f"{wait_min / 60:.0f} h"
    return (
        f"You asked for {asked} {_runs(asked)} in the last {name}, and {allowed} are allowed. "
        f"The next is taken in {wait}."
    )


def _each(name: str) -> str:
    return "an hour" if name == "hour" else "a day"


def _runs(number: int) -> str:
    return "run" if number == 1 else "runs"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
