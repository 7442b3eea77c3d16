"""Channels that take no posts for want of a permission: told once, tried again, woken at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from bot.integrations.discord_client.channels.needs import CHANNEL, VIEW
from bot.integrations.discord_client.channels.places import ClientPlaces
from bot.integrations.discord_client.channels.target import address
from bot.outbox import Later
from bot.posting import Card

log = logging.getLogger(__name__)

Trouble = Callable[[str, str, str, list[str]], Awaitable[None]]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
TAG = "a tag "  # how a lacking tag begins, where permissions are listed


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an effect of one kind is to be done, and what that takes there."""

    kind: str
    guild_id: str
    channel_id: str
    purpose: str
    needs: tuple[str, ...] = (VIEW,)


@dataclass(slots=True)
class _Block:
    """Nothing of this kind is tried in that channel before ``until`` (monotonic seconds)."""

    spot: Spot
    sentence: str
    until: float
    pause_s: float


class Troubles:
    """``tell`` is called once for each channel and set of permissions until delivery works again;
    ``hasten(kind, channel_id)`` has what waits there tried now.
    """

    def __init__(
        self,
        places: ClientPlaces,
        tell: Trouble,
        hasten: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._places = places
        self._tell = tell
        self._hasten = hasten
        self._blocks: dict[tuple[str, str], _Block] = {}
        self._told: dict[tuple[str, frozenset[str]], set[str]] = {}

    def check(self, spot: Spot) -> None:
        """Raise ``Later`` where it is not worth a request yet."""
        block = self._blocks.get((spot.kind, spot.channel_id))
        if block is not None and (left_s := block.until - time.monotonic()) > 0:
            raise Later(block.sentence, left_s)

    async def refused(self, spot: Spot, *, unseen: bool = False) -> Later:
        """What to raise where Discord refuses: the moderators are told what is lacking.

        What the connection knows may be older than the refusal; then all that is needed is named.
        """
        lacking = self._places.lacking_of(spot.channel_id, spot.needs)
        return await self.met(spot, lacking or ([VIEW] if unseen else list(spot.needs)))

    async def met(self, spot: Spot, lacking: list[str]) -> Later:
        """What to raise where ``lacking`` is known to be lacking."""
        key = (spot.kind, spot.channel_id)
        before = self._blocks.get(key)
        pause_s = min(before.pause_s * 2, LONGEST_PAUSE_S) if before else FIRST_PAUSE_S
        sentence = f"in channel {spot.channel_id} the bot lacks {', '.join(lacking)}"
        self._blocks[key] = _Block(spot, sentence, time.monotonic() + pause_s, pause_s)
        await self.told(spot, lacking)
        return Later(sentence, pause_s)

    async def told(self, spot: Spot, lacking: Collection[str]) -> None:
        """Tell the moderators, if they were not told of just that there. Never raises."""
        entry = (spot.channel_id, frozenset(lacking))
        kinds = self._told.setdefault(entry, set())
        new = not kinds
        kinds.add(spot.kind)
        if not new:
            return
        log.warning("channel %s (%s) lacks %s", spot.channel_id, spot.purpose, ", ".join(lacking))
        try:
            await self._tell(spot.guild_id, spot.channel_id, spot.purpose, list(lacking))
        except Exception:
            log.exception("the moderators could not be told of channel %s", spot.channel_id)
            self._told.pop(entry, None)  # it may have been settled meanwhile

    def settled(self, spot: Spot) -> None:
        """It works there: the next trouble is told again."""
        if self._blocks.pop((spot.kind, spot.channel_id), None) is None:
            return
        for entry in [entry for entry in self._told if entry[0] == spot.channel_id]:
            self._told[entry].discard(spot.kind)
            if not self._told[entry]:
                del self._told[entry]

    def in_guild(self, guild_id: str) -> list[Spot]:
        """What waits in that server."""
        return [b.spot for b in self._blocks.values() if b.spot.guild_id in (guild_id, "")]

    async def changed(self, guild_id: str) -> None:
        """Something was changed there: try what may work now. Never raises."""
        for spot in self.in_guild(guild_id):
            key = (spot.kind, spot.channel_id)
            if self._places.lacking_of(spot.channel_id, spot.needs) != []:
                continue
            if (block := self._blocks.get(key)) is not None:
                block.until = 0.0
            log.info("channel %s may be written to again", spot.channel_id)
            try:
                await self._hasten(*key)
            except Exception:
                log.exception("what waits for channel %s goes out later", spot.channel_id)


def trouble_card(
    guild_id: str, channel_id: str, name: str, purpose: str, lacking: list[str], waiting: int = 0
) -> Card:
    """What moderators read: where, and what to grant. ``name`` is the channel's, if known."""
    where = f"#{name}" if name else f"channel {channel_id}"
    what_waits = f"the {waiting} waiting posts go" if waiting > 1 else "what waits goes"
    kept = f"The setting is kept, and {what_waits} out as soon as I may."
    if CHANNEL in lacking:
        title = f"I cannot find {where}"
        what = [
            f"It is set for {purpose}, and is deleted or hidden from me.",
            f"Give me {VIEW} there, or set another one with /config channel.",
        ]
    else:
        title = f"I cannot do my work in {where}"
        what = [f"It is set for {purpose}.", *_wanted(lacking)]
    links = (("Open the channel", address(guild_id, channel_id)),)
    return Card(title=title, lines=(*what, kept), links=links, tone="refusal")


def _wanted(lacking: list[str]) -> list[str]:
    tags = [item for item in lacking if item.startswith(TAG)]
    grant = [item for item in lacking if item not in tags]
    lines = [f"Each post there needs a tag and none fits: add {tag}." for tag in tags]
    if grant:
        lines.append(f"Grant me there (Edit Channel, Permissions): {', '.join(grant)}.")
    return lines
