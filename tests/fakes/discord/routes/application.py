"""Who the bot is, and where the gateway is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.discord.calls import Answer, Call, Route
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.world import user_payload

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


async def gateway(fake: FakeDiscord, call: Call) -> Answer:
    """Name the gateway."""
    return 200, {"url": fake.gateway_url}


async def gateway_bot(fake: FakeDiscord, call: Call) -> Answer:
    """Name the gateway, with the shards Discord recommends."""
    limit = {"total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1}
    return 200, {"url": fake.gateway_url, "shards": 1, "session_start_limit": limit}


async def me(fake: FakeDiscord, call: Call) -> Answer:
    """Return the bot's own user."""
    return 200, fake.bot_user | {"verified": True, "mfa_enabled": False, "locale": "en-US"}


async def application(fake: FakeDiscord, call: Call) -> Answer:
    """Return the application."""
    return 200, {
        "id": fake.app_id,
        "name": "k2c",
        "icon": None,
        "description": "",
        "summary": "",
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "owner": user_payload("1", "owner"),
        "team": None,
        "flags": fake.app_flags,
        "bot": fake.bot_user,
        "integration_types_config": {"0": {}, "1": {}},
    }


async def my_guilds(fake: FakeDiscord, call: Call) -> Answer:
    """List the guilds the bot is a member of."""
    return 200, [
        {"id": g.id, "name": g.name, "icon": None, "owner": False, "permissions": "0"}
        for g in fake.guilds
        if g.has_bot
    ]


async def open_dm(fake: FakeDiscord, call: Call) -> Answer:
    """Open the direct-message channel with a user."""
    person = fake.people.get(str(call.body.get("recipient_id")))
    if person is None:
        raise ApiError(10013)
    return 200, fake.dm(person).payload()


ROUTES: tuple[Route, ...] = (
    ("GET", "/gateway", gateway),
    ("GET", "/gateway/bot", gateway_bot),
    ("GET", "/users/@me", me),
    ("GET", "/users/@me/guilds", my_guilds),
    ("GET", "/applications/@me", application),
    ("GET", "/oauth2/applications/@me", application),
    ("POST", "/users/@me/channels", open_dm),
)
