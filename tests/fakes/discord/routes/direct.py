"""Direct messages: a bot opens them with anyone; who closed theirs gets none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.discord.calls import Answer, Call, Route
from tests.fakes.discord.errors import ApiError

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


async def open_channel(fake: FakeDiscord, call: Call) -> Answer:
    """Return the channel with a person, the same one each time."""
    person = fake.people.get(str((call.body or {}).get("recipient_id", "")))
    if person is None:
        raise ApiError(10013)
    return 200, fake.dm(person).payload(fake.app_id)


ROUTES: tuple[Route, ...] = (("POST", "/users/@me/channels", open_channel),)
