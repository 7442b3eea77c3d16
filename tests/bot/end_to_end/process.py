"""The whole bot as a process that can be killed: the real App, only quicker than in production."""

from __future__ import annotations

import asyncio
import functools
import os
import sys

import bot.app
import bot.integrations.announcing.service as announcing
import bot.integrations.discord_client.client as connection
import bot.integrations.github_discussions.service as github
import bot.outbox
from bot.integrations.github_discussions import turns
from bot.outside import Pace
from config.settings import load_settings


def given_s(name: str, default: float) -> float:
    """Seconds that a test asks for in the environment."""
    return float(os.environ.get(f"E2E_{name}_S") or default)


async def _no_chart(_: object) -> None:
    """No picture is drawn here: loading matplotlib is a second of CPU for each start."""


def main() -> None:
    """Run until SIGTERM. The environment says with what.

    ``E2E_GRACE_S``: after an attempt, before it is looked for (40 to 45 s in production);
    ``E2E_PAUSE_S``: after a first failure; ``E2E_MINUTE_S``: in which 80 posts may be made.
    """
    bot.app._warm = _no_chart  # type: ignore[assignment]
    announcing.LOOK_S, announcing.FIND_S = 0.2, 0.1
    connection.IDENTIFY_EVERY_S = 0.0
    bot.outbox.FIRST_PAUSE_S = given_s("PAUSE", bot.outbox.FIRST_PAUSE_S)
    minute_s = given_s("MINUTE", 60.0)
    vars(github)["Pace"] = functools.partial(turns.Pace, minute_s=minute_s, hour_s=60.0 * minute_s)
    pace = Pace(
        grace_s=given_s("GRACE", 1.0), change_every_s=given_s("CHANGE_EVERY", 0.02), batch_s=0.1
    )
    app = bot.app.App(load_settings(), pace=pace)
    asyncio.run(app.run(lambda line: sys.stdout.write(f"{line}\n") and sys.stdout.flush()))


if __name__ == "__main__":
    main()
