"""The configuration of the home servers, in memory for reading and in the database for good.

Each change is one write: the server's settings and the audit lines together, or neither.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from bot.community import ledger
from bot.community.changes import Change, Names, by_key, change_words, changes_between
from bot.community.endpoints import Endpoints
from bot.community.imports import keep_import, take_import
from bot.community.rules import MAX_SETTINGS, Key, checked, key_of, reference
from bot.community.words import (
    PER_S,
    Audit,
    By,
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
from bot.store import Store
from compute.tool import Refused

if TYPE_CHECKING:
    from sqlite_utils import Database

DEFAULT_POSTS: dict[Per, int] = {"hour": 5}  # where no moderator said otherwise
NOT_HOME = "This is not one of the community's own servers, so there is nothing to configure."


def _no_names(_: str) -> str:
    return ""


class CommunityBook:
    """One for the process; ``open`` reads it. Servers that are not home are never in it, though
    what they once configured stays in the database.
    """

    def __init__(self, store: Store, home: tuple[int, ...], secret_key: str = "") -> None:
        self._store = store
        self._home = tuple(map(str, home))
        self._settings: dict[str, dict[Key, Setting]] = {guild: {} for guild in self._home}
        self._last: dict[str, Audit] = {}
        self._revision = 0
        self._changing = asyncio.Lock()
        self.clock: Callable[[], float] = time.time
        self.endpoints = Endpoints(store, self._home, secret_key, self._note)

    @classmethod
    async def open(cls, store: Store, home: tuple[int, ...], secret_key: str = "") -> CommunityBook:
        """What the database holds of the home servers; ``secret_key`` encrypts endpoint keys."""
        book = cls(store, home, secret_key)
        kept = await store.read(ledger.load)
        for guild in book._home:
            book._settings[guild] = by_key(kept.settings.get(guild, ()))
            if guild in kept.last:
                book._last[guild] = kept.last[guild]
            book.endpoints.hold(guild, kept.endpoints.get(guild, {}))
        book._revision = kept.revision
        return book

    # What others read

    def settings(self, guild_id: str) -> list[Setting]:
        """All of one home server, sorted by what they are about; of any other server none."""
        return list(self._settings.get(guild_id, {}).values())

    def find(self, guild_id: str, ref: str) -> Setting | None:
        """The setting with that reference, in that server alone."""
        return next((s for s in self.settings(guild_id) if reference(s) == ref), None)

    def channels(self, purpose: ChannelPurpose, topic: str | None = None) -> list[ChannelSetting]:
        """See ``Community``; a channel's own setting for the topic wins over that for all."""
        found: dict[str, ChannelSetting] = {}
        for guild in self._home:
            for setting in self._settings[guild].values():  # for all topics first
                if isinstance(setting, ChannelSetting) and setting.purpose == purpose:
                    if topic is None:
                        found.setdefault(setting.channel_id, setting)
                    elif setting.topic in ("", topic):
                        found[setting.channel_id] = setting
        return list(found.values())

    def ping_role(self, guild_id: str, topic: str | None) -> str:
        """See ``Community``."""
        roles = {
            setting.topic: setting.role_id
            for setting in self.settings(guild_id)
            if isinstance(setting, RoleSetting) and setting.purpose == "ping"
        }
        return roles.get(topic or "") or roles.get("", "")

    def category(self, topic: str | None) -> str:
        """See ``Community``; where two home servers differ, the first in DISCORD_GUILD_ID."""
        for wanted in dict.fromkeys((topic or "", "")):
            for guild in self._home:
                setting = self._settings[guild].get(("category", wanted))
                if isinstance(setting, CategorySetting):
                    return setting.category
        return ""

    def roles(self, purpose: RolePurpose, guild_id: str) -> set[str]:
        """The roles that were given that purpose in that server."""
        return {
            setting.role_id
            for setting in self.settings(guild_id)
            if isinstance(setting, RoleSetting) and setting.purpose == purpose
        }

    def may(self, purpose: RolePurpose, guild_id: str, roles: tuple[str, ...]) -> bool:
        """See ``Community``; everybody's role has the server's own id."""
        return not self.roles(purpose, guild_id).isdisjoint((*roles, guild_id))

    def limits(self, what: Limited, guild_id: str, roles: tuple[str, ...]) -> dict[Per, int]:
        """The limits for such a member, by hour and by day: of those that apply to one of their
        roles or to everybody the most generous. What nobody set is missing.
        """
        found: dict[Per, int] = {}
        for setting in self.settings(guild_id):
            if not isinstance(setting, LimitSetting) or setting.what != what:
                continue
            if setting.role_id in ("", guild_id, *roles):
                found[setting.per] = max(setting.runs, found.get(setting.per, 0))
        return found

    def post_limits(self, guild_id: str, roles: tuple[str, ...]) -> tuple[tuple[int, float], ...]:
        """See ``Community``."""
        found = DEFAULT_POSTS | self.limits("posts", guild_id, roles)
        return tuple((runs, PER_S[per]) for per, runs in found.items())

    def post_limit(self, guild_id: str, roles: tuple[str, ...]) -> tuple[int, float]:
        """See ``Community``."""
        return min(self.post_limits(guild_id, roles), key=lambda limit: limit[0] / limit[1])

    def revision(self) -> int:
        """See ``Community``: the number of the last audit line, so it also grows over restarts."""
        return self._revision

    def last_change(self, guild_id: str) -> Audit | None:
        """Who changed what last in a home server."""
        return self._last.get(guild_id)

    async def history(self, guild_id: str, limit: int = 20) -> list[Audit]:
        """The newest lines of a home server's audit log, newest first."""
        if guild_id not in self._home:
            return []
        return await self._store.read(lambda db: ledger.history(db, guild_id, limit))

    # What moderators change

    async def set(self, setting: Setting, by: By, names: Names = _no_names) -> Change | None:
        """Set it, in place of what was set there; None where it was so already.

        Raises ``Refused`` for a setting that makes no sense, or a server that is not home.
        """
        checked(setting)
        async with self._changing:
            new = self._of(setting.guild_id) | {key_of(setting): setting}
            made = await self._replace(setting.guild_id, new.values(), by, names)
        return made[0] if made else None

    async def unset(self, setting: Setting, by: By, names: Names = _no_names) -> Change | None:
        """Remove it; None where it was not set. Raises ``Refused`` as ``set`` does."""
        async with self._changing:
            new = {k: s for k, s in self._of(setting.guild_id).items() if k != key_of(setting)}
            made = await self._replace(setting.guild_id, new.values(), by, names)
        return made[0] if made else None

    async def replace(
        self,
        guild_id: str,
        settings: Sequence[Setting],
        by: By,
        names: Names = _no_names,
        base: Sequence[Setting] | None = None,
    ) -> list[Change]:
        """Have these settings and no others; all or nothing. ``base``: what they are meant to
        replace. Raises ``Refused`` where it was changed meanwhile, and as ``set`` does.
        """
        for setting in settings:
            checked(setting)
        async with self._changing:
            if base is not None and by_key(base) != self._of(guild_id):
                raise Refused("The settings were changed meanwhile. Import the file again.")
            return await self._replace(guild_id, settings, by, names)

    async def keep_import(self, guild_id: str, wanted: Sequence[Setting]) -> str:
        """The token under which these settings wait for ``apply_import``, over a restart too."""
        base = list(self._of(guild_id).values())
        return await keep_import(self._store, guild_id, wanted, base, self.clock())

    async def apply_import(
        self, guild_id: str, token: str, by: By, names: Names = _no_names
    ) -> list[Change] | None:
        """Have the settings that wait under ``token``; None where none wait any more there.

        Raises ``Refused`` where the server's settings were changed since they were shown.
        """
        kept = await take_import(self._store, guild_id, token, self.clock())
        if kept is None:
            return None
        return await self.replace(guild_id, kept.wanted, by, names, base=kept.base)

    async def drop_import(self, guild_id: str, token: str) -> bool:
        """Forget them; whether there were any."""
        return await take_import(self._store, guild_id, token, self.clock()) is not None

    def _of(self, guild_id: str) -> dict[Key, Setting]:
        if guild_id not in self._settings:
            raise Refused(NOT_HOME)
        return self._settings[guild_id]

    async def _replace(
        self, guild_id: str, settings: Iterable[Setting], by: By, names: Names
    ) -> list[Change]:
        """With the lock held: first the database, then what is read."""
        old, new = self._of(guild_id), by_key(settings)
        made = changes_between(old, new)
        if len(new) > MAX_SETTINGS:
            raise Refused(f"A server has at most {MAX_SETTINGS} settings; remove some first.")
        if not made:
            return []
        lines = [Audit(by, change_words(change, names), self.clock()) for change in made]

        def change(db: Database) -> int:
            ledger.write_settings(db, guild_id, new.values())
            return ledger.add_audit(db, guild_id, lines)

        number = await self._store.write(change)
        self._settings[guild_id] = new
        self._note(guild_id, lines[-1], number)
        return made

    def _note(self, guild_id: str, line: Audit, number: int) -> None:
        self._last[guild_id] = line
        self._revision = number
