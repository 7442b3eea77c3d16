"""What the senders of channel posts share: the connection, and what Discord's refusals mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bot.integrations.discord_client.channels.places import ClientPlaces
from bot.integrations.discord_client.channels.rest import Busy, Refusal, Unsure, once, repeat
from bot.integrations.discord_client.channels.target import Target, read_target
from bot.integrations.discord_client.channels.troubles import Spot, Troubles
from bot.outbox import Later

if TYPE_CHECKING:
    from bot.integrations.discord_client.client import K2CClient

NOT_CONNECTED_S = 2.0
BAD_TOKEN_S = 60.0
LOOK_LIMIT_S = 7.0

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE = 10003, 10008
MISSING_ACCESS, MISSING_PERMISSIONS = 50001, 50013
INVALID_FORM = 50035
THREAD_ARCHIVED = 50083
DENIED = (MISSING_ACCESS, MISSING_PERMISSIONS, 0)


class Desk:
    """One for all senders. ``client`` gives the one that is logged in, if any."""

    def __init__(
        self,
        client: Callable[[], K2CClient | None],
        places: ClientPlaces,
        troubles: Troubles,
    ) -> None:
        self._client = client
        self.places = places
        self.troubles = troubles
        self._quiet: dict[tuple[str, str], float] = {}  # kind and channel: monotonic seconds

    def client(self) -> K2CClient:
        """The client. Raises ``Later`` while there is none."""
        client = self._client()
        if client is None or client.is_closed() or client.user is None:
            raise Later("Discord is not connected", NOT_CONNECTED_S, all_of_it=True)
        return client

    def check(self, spot: Spot) -> None:
        """Raise ``Later`` where Discord would certainly refuse now."""
        self.troubles.check(spot)
        until = self._quiet.get((spot.kind, spot.channel_id), 0.0)
        if (left_s := until - time.monotonic()) > 0:
            raise Later("Discord asked us to wait there", left_s)

    async def look(self, spot: Spot) -> Target:
        """The channel as it is now. Raises ``Later``, and ``Refusal`` with ``UNKNOWN_CHANNEL``."""
        try:
            said = await once(self.client(), "GET", f"/channels/{spot.channel_id}",
                              limit_s=LOOK_LIMIT_S)  # fmt: skip
        except Unsure as error:
            raise Later(f"the channel could not be looked at: {error}") from error
        except (Busy, Refusal) as error:
            raise await self._met(spot, error) from error
        return read_target(said)

    async def do(
        self,
        spot: Spot,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = True,
    ) -> Any:
        """A lasting request. Raises ``Later``, ``Unsure``, and ``Refusal`` where neither a pause
        nor a permission is the matter.
        """
        request = repeat if repeatable else once
        try:
            return await request(self.client(), method, path, body)
        except (Busy, Refusal) as error:
            raise await self._met(spot, error) from error

    async def _met(self, spot: Spot, error: Busy | Refusal) -> Exception:
        if isinstance(error, Busy):
            if not error.whole:
                key = (spot.kind, spot.channel_id)
                self._quiet[key] = time.monotonic() + error.after_s
            return Later(str(error), error.after_s, all_of_it=error.whole)
        if error.status == 401:
            return Later("Discord refuses the token", BAD_TOKEN_S, all_of_it=True)
        if error.status == 403 and error.code in DENIED:
            return await self.troubles.refused(spot, unseen=error.code == MISSING_ACCESS)
        return error
