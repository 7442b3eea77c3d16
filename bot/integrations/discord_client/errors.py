"""Whatever fails, the person gets one sentence and the log the reason, under one reference."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable

import discord
from discord import app_commands

from bot.integrations.discord_client.reply import Reply, Stage
from bot.render.discord import notice
from bot.render.markup import escaped

log = logging.getLogger(__name__)

FORESEEN = (
    app_commands.CommandNotFound,
    app_commands.CommandSignatureMismatch,
    app_commands.CheckFailure,
)


async def guarded(reply: Reply, work: Awaitable[object]) -> None:
    """Await ``work``; its failure becomes a sentence for the person. Never raises."""
    try:
        await work
    except Exception as error:
        await explain(reply, error)


async def explain(reply: Reply, error: Exception) -> None:
    """Say that something failed, once, to its asker alone. Never raises.

    What a shutdown did not wait for fails when it next speaks to Discord; the shutdown told of it.
    """
    if reply.interaction.client.is_closed():
        log.info("interaction %d is left unfinished: %s", reply.interaction.id, error)
        return
    ref = secrets.token_hex(3)
    known = isinstance(error, FORESEEN)
    log.log(
        logging.INFO if known else logging.ERROR,
        "ref %s: interaction %d failed: %s",
        ref,
        reply.interaction.id,
        error,
        exc_info=None if known else error,
    )
    try:
        await _say(reply, sentence(error, ref))
    except Exception as second:
        log.error("ref %s: and so did saying it: %s", ref, second)


def sentence(error: Exception, ref: str) -> str:
    """What to tell the person, in Discord markdown."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    match cause:
        case app_commands.CommandNotFound(name=name):
            what = f"**I no longer have the command /{escaped(name)}.** Type / to see what I have."
        case app_commands.CommandSignatureMismatch():
            what = "**This command has changed since your Discord loaded it.** Restart Discord."
        case app_commands.CheckFailure():
            what = "**You may not use this here.**"
        case _:
            what = "**Something went wrong on my side, and it is in my log.** Please try again."
    return f"{what}\n-# ref {ref}"


async def _say(reply: Reply, text: str) -> None:
    if reply.interaction.type is discord.InteractionType.autocomplete:
        return
    message = notice(text)
    if reply.stage is Stage.HELD:
        await reply.whisper(message)
    elif reply.stage is not Stage.ANSWERED:
        await reply.answer(message, private=True)
