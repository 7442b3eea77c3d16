"""The paces that the tests of announcing make quicker, as they are in production."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import bot.outbox
from bot.integrations.announcing import service as announcing
from bot.integrations.discord_client.channels import rest
from bot.integrations.discord_client.channels.senders import ChannelSenders
from bot.integrations.github_discussions import turns
from bot.integrations.github_discussions.connection import TIMEOUT_S
from bot.integrations.github_discussions.service import GitHubService
from bot.outbox import Outbox, Sender
from bot.outside import Pace
from bot.store import FILE_NAME, Store
from config.settings import load_settings

ARRIVES_LATE_S = 10.0  # what left a sender may still be worked on after its limit


class Registry(Outbox):
    """Remembers what each kind was registered with."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.kinds: dict[str, dict[str, Any]] = {}

    def register(self, kind: str, sender: Sender, **given: Any) -> None:
        """As the outbox does."""
        super().register(kind, sender, **given)
        self.kinds[kind] = {"every_s": 0.0, "at_once": 1} | given


async def _trouble(*_: object) -> None:
    """Nothing is sent."""


async def test_production_leaves_a_second_between_changes_and_time_to_arrive_late(
    tmp_path: Path,
) -> None:
    store, pace = await Store.open(tmp_path / FILE_NAME), Pace()
    registry = Registry(store)
    settings = load_settings(github_token="x", github_repository="a/b")
    GitHubService(settings).register(registry, every_s=pace.change_every_s, **pace.grace)
    ChannelSenders(lambda: None, _trouble).register(registry, **pace.grace)
    await store.close()
    github = {kind: given for kind, given in registry.kinds.items() if kind.startswith("github")}
    discord = {kind: given for kind, given in registry.kinds.items() if kind.startswith("discord")}
    assert len(github) == 5 and len(discord) == 4
    for given in github.values():
        assert given["every_s"] >= 1.0 and given["at_once"] == 1
        assert given["send_limit_s"] + TIMEOUT_S + ARRIVES_LATE_S <= given["grace_s"]
    for given in discord.values():
        assert given["send_limit_s"] + ARRIVES_LATE_S <= given["grace_s"]
        assert sum(rest.TRIES_S) + rest.BETWEEN_S < given["send_limit_s"]


@pytest.mark.parametrize(
    ("found", "least"),
    [
        (Pace().change_every_s, 1.0),
        (Pace().batch_s, 1.0),
        (turns.EVERY_S, 1.0),
        (bot.outbox.FIRST_PAUSE_S, 5.0),
        (announcing.LOOK_S, 1.0),
    ],
)
def test_nothing_is_as_quick_as_in_the_tests(found: float, least: float) -> None:
    assert found >= least


def test_github_gets_no_more_posts_than_it_takes() -> None:
    pace = turns.Pace()
    assert (pace.per_minute, pace.minute_s) == (80, 60.0)
    assert (pace.per_hour, pace.hour_s) == (500, 3600.0)
    assert Pace().grace == {}, "each sender keeps its own"
