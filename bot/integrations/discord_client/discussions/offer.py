"""The button that posts an answer to Discussions, or the link where that was done."""

from __future__ import annotations

from bot.command import Command
from bot.integrations.discord_client.parts import DiscordParts
from bot.view import Block, Button, Link, View

LABEL = "Post to Discussions"
DONE_LABEL = "Discussion"


def is_postable(command: Command) -> bool:
    """Whether its answers are worth a Discussion: not what the running bot knows just now."""
    return not command.private and command.live is None and bool(command.options)


def with_offer(
    parts: DiscordParts, command: Command, view: View, guild_id: str, url: str = ""
) -> View:
    """``view`` with the button before its last link; ``url`` is where it was posted already.

    Only a finished answer, in a server of the community, where a repository is configured.
    """
    homes = map(str, parts.settings.home_guild_ids)
    if parts.discussing is None or guild_id not in homes or view.tone != "answer":
        return view
    if not is_postable(command):
        return view
    offer: Block = Link(DONE_LABEL, url) if url else Button(LABEL, "discuss")
    last = view.blocks[-1] if view.blocks else None
    if isinstance(last, Link):
        return View((*view.blocks[:-1], offer, last), view.tone)
    return view.plus(offer)
