"""The whole bot as a process that can be killed: the real App, only quicker than in production."""

from __future__ import annotations

import asyncio
import os
import sys

import bot.app
import bot.integrations.announcing.service as announcing
import bot.integrations.discord_client.client as connection
from bot.outside import Pace
from config.settings import load_settings

GRACE_S = 1.0  # after an attempt, before it is looked for; 40 to 45 s in production


async def _no_chart(_: object) -> None:
    """No picture is drawn here: loading matplotlib is a second of CPU for each start."""


def main() -> None:
    """Run until SIGTERM. The environment says with what."""
    bot.app._warm = _no_chart  # type: ignore[assignment]
    announcing.LOOK_S, announcing.FIND_S = 0.2, 0.1
    connection.IDENTIFY_EVERY_S = 0.0
    every_s = float(os.environ.get("E2E_CHANGE_EVERY_S", "0.02"))
    pace = Pace(grace_s=GRACE_S, change_every_s=every_s, batch_s=0.1)
    app = bot.app.App(load_settings(), pace=pace)
    asyncio.run(app.run(lambda line: sys.stdout.write(f"{line}\n") and sys.stdout.flush()))


if __name__ == "__main__":
    main()
