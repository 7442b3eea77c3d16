"""``k2c doctor``: every part, whether it works, and what to do where it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bot.doctor.broker import examine_broker, examine_workers
from bot.doctor.discord import examine_discord
from bot.doctor.finding import Finding, State
from bot.doctor.github import examine_github
from bot.doctor.machine import (
    examine_catalogues,
    examine_charts,
    examine_data_dir,
    examine_database,
    examine_settings,
    examine_torch,
)
from bot.doctor.network import examine_hub, examine_pages, examine_public_url
from config.settings import Settings

__all__ = ["PART_S", "Finding", "State", "examine"]

PART_S = 5.0  # seconds a part may take; the slowest good answer of a far server is under 2

Examiner = Callable[[Settings], Awaitable[list[Finding]]]

PARTS: tuple[tuple[str, Examiner], ...] = (
    ("settings", examine_settings),
    ("data directory", examine_data_dir),
    ("database", examine_database),
    ("catalogues", examine_catalogues),
    ("pages", examine_pages),
    ("public address", examine_public_url),
    ("discord", examine_discord),
    ("github", examine_github),
    ("hugging face", examine_hub),
    ("broker", examine_broker),
    ("workers", examine_workers),
    ("charts", examine_charts),
    ("torch", examine_torch),
)


async def examine(settings: Settings, *, part_s: float = PART_S) -> list[Finding]:
    """What each part says, in a fixed order; all are asked at once, ``part_s`` seconds each.

    No finding holds a secret. Nothing is changed: a directory that is missing is not made.
    """
    asked = [_bounded(name, examiner, settings, part_s) for name, examiner in PARTS]
    return [finding for found in await asyncio.gather(*asked) for finding in found]


async def _bounded(
    name: str, examiner: Examiner, settings: Settings, part_s: float
) -> list[Finding]:
    try:
        return await asyncio.wait_for(examiner(settings), part_s)
    except TimeoutError:
        sentence = f"No answer within {part_s:g} s."
        return [Finding(name, "problem", sentence, "Try again; if it stays, look at the network.")]
    except Exception as error:
        # The message of an unforeseen error could hold anything, a token too: the kind is enough.
        sentence = f"The check itself failed ({type(error).__name__})."
        return [Finding(name, "problem", sentence, "Please report this.")]
