"""Commands over the tools that the tests' workers have."""

from __future__ import annotations

from bot.command import Command, options_of
from bot.commands.jobs import COMMAND as JOBS
from bot.commands.workers import COMMAND as WORKERS
from bot.view import Bold, Heading, View
from tests.fakes.worker_tools import Asked, Told, load


def show(request: Asked, result: Told) -> View:
    """The answer, or what is known of it."""
    return View((Heading((Bold(f"told {result.text or 'nothing'}"),)),))


def commands() -> dict[str, Command]:
    """/null, /sleeper and /refuser run on a worker; /jobs and /workers tell of it."""
    made = {
        name: Command(
            tool=load(name), options=options_of(Asked, ("seconds", "size", "path")), show=show,
            user_installable=False,
        )
        for name in ("null", "sleeper", "refuser", "leaver")
    }  # fmt: skip
    return made | {"jobs": JOBS, "workers": WORKERS}
