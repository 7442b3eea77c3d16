"""Where Discord is: a REST proxy or a test server may stand in for discord.com.

discord.py has no option for it; three values of its modules decide. Each is left alone unless its
setting is given. The gateway's matters beyond the first connect: after a session that cannot be
resumed the client goes back to DEFAULT_GATEWAY, which must not be the real one then.
"""

from __future__ import annotations

import discord
import yarl
from discord.asset import Asset
from discord.gateway import DiscordWebSocket
from discord.http import Route

from config.settings import Settings


def use_bases(settings: Settings) -> None:
    """Point the library at the configured servers; to be called before a client is built."""
    if settings.discord_api_base:
        Route.BASE = settings.discord_api_base
    if settings.discord_gateway_url:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)
    if settings.discord_cdn_base:
        Asset.BASE = settings.discord_cdn_base


async def adopt_gateway(client: discord.Client, settings: Settings) -> None:
    """Ask the configured REST server for its gateway, unless the settings name one.

    To be awaited after login and before the gateway is connected. Behind a plain proxy the answer
    is Discord's own gateway, so that one setting serves proxies and test servers alike.
    """
    if settings.discord_api_base and not settings.discord_gateway_url:
        _, url, _ = await client.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
