"""Who may ask for runs where nobody has configured anything, and the limits that hold for them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.jobs.words import Allowance
from bot.results import StoredResult
from config.settings import Settings

if TYPE_CHECKING:
    from sqlite_utils import Database

HOUR_S = 3600.0
UNLIMITED = 1_000_000
ELSEWHERE = "Runs on workers exist only in this community's own Discord server."
NOT_HERE = (
    "Runs on workers cannot be asked for on a page that others reach too; ask in the community's "
    "Discord server."
)
ASKED = "SELECT COUNT(*), MIN(asked_at) FROM asks WHERE asker = ? AND asked_at > ?"
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
        del roles  # they mean something once moderators have said so
        if row.door == "terminal":
            return Allowance(UNLIMITED, UNLIMITED, first=True)
        refusal = ""
        if row.door == "discord":
            home = {str(guild) for guild in self._settings.home_guild_ids}
            refusal = "" if row.guild_id in home else ELSEWHERE
        elif not self._own_pages:
            refusal = NOT_HERE
        return Allowance(self._settings.jobs_per_hour, self._settings.jobs_at_once, refusal=refusal)


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
    asked, oldest = db.conn.execute(ASKED, [asker, now - HOUR_S]).fetchone()
    if asked >= allowance.per_hour:
        wait = max(1, round((oldest + HOUR_S - now) / 60)) if oldest else 60
        return (
            f"You asked for {asked} {_runs(asked)} in the last hour, and {allowance.per_hour} are "
            f"allowed. The next is taken in {wait} min."
        )
    return ""


def _runs(number: int) -> str:
    return "run" if number == 1 else "runs"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
