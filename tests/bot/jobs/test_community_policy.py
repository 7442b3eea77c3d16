"""Who may run jobs and how often, as moderators say: at once, without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bot.community.service import CommunityBook
from bot.community.words import By, LimitSetting, RoleSetting
from bot.jobs.policy import CommunityPolicy, over_limit
from bot.jobs.words import Allowance
from bot.store import FILE_NAME, Store
from compute.tool import Refused
from config.settings import load_settings
from tests.bot.jobs.parts import HOME, Bot, row_of

MOD = By("9", "mod")


async def policy_of(store: Store, tmp_path: Path, **more: Any) -> tuple[CommunityPolicy, Any]:
    settings = load_settings(_env_file=None, home_guild_ids=HOME, data_dir=tmp_path, **more)
    book = await CommunityBook.open(store, settings.home_guild_ids)
    return CommunityPolicy(settings, book), book


async def test_a_change_holds_at_the_next_question(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / FILE_NAME)
    try:
        policy, book = await policy_of(store, tmp_path, jobs_per_hour=10)
        assert policy.allowance(row_of(), ()) == Allowance(
            10, policy.allowance(row_of(), ()).at_once
        )
        await book.set(RoleSetting(HOME, "run-jobs", "5"), MOD)
        assert "only some roles" in policy.allowance(row_of(), ("4",)).refusal
        assert policy.allowance(row_of(), ("4", "5")).refusal == ""
        assert policy.allowance(row_of(door="terminal"), ()).refusal == ""
        await book.set(RoleSetting(HOME, "maintainer", "6"), MOD)
        maintainer = policy.allowance(row_of(), ("6",))
        assert maintainer.first and not maintainer.refusal
        assert not policy.allowance(row_of(), ("5",)).first
        await book.set(LimitSetting(HOME, "jobs", 3, "hour"), MOD)
        await book.set(LimitSetting(HOME, "jobs", 30, "hour", "5"), MOD)
        await book.set(LimitSetting(HOME, "jobs", 40, "day"), MOD)
        found = policy.allowance(row_of(), ("5",))
        assert (found.per_hour, found.per_day) == (30, 40)
        assert policy.allowance(row_of(), ("6",)).per_hour == 3
        await book.unset(LimitSetting(HOME, "jobs", 3, "hour"), MOD)
        assert policy.allowance(row_of(), ("6",)).per_hour == 10
        assert "own Discord server" in policy.allowance(row_of(guild_id="2"), ("6",)).refusal
    finally:
        await store.close()


def asked_then(result_id: str, at: float) -> Callable[[Database], object]:
    sql = "UPDATE asks SET asked_at = ? WHERE result_id = ?"
    return lambda db: db.conn.execute(sql, [at, result_id])


async def test_no_more_in_a_day_than_allowed(bot: Bot) -> None:
    asked = [time.time() - hours * 3600 for hours in (30, 20, 10)]
    for at in asked:
        result_id = await bot.ask()
        await bot.cancel(result_id)
        await bot.store.write(asked_then(result_id, at))
    now = time.time()

    async def told(per_hour: int, per_day: int) -> str:
        allowance = Allowance(per_hour, 5, per_day=per_day)
        return await bot.store.read(lambda db: over_limit(db, "discord:7", allowance, now))

    assert await told(5, 3) == "" and await told(1, 1_000_000) == ""
    assert "2 runs in the last day, and 2 are allowed. The next is taken in 4 h" in await told(5, 2)
    # Two must grow older where the limit was lowered to one.
    assert "1 are allowed. The next is taken in 14 h" in await told(5, 1)
    assert "the limit is 0 a day" in await told(5, 0)
    assert "the limit is 0 an hour" in await told(0, 5)


async def test_a_refused_run_leaves_nothing_behind(bot: Bot) -> None:
    bot.policy.per_hour = 0
    with pytest.raises(Refused, match="limit is 0 an hour"):
        await bot.ask()
    assert await bot.rows("SELECT 1 FROM asks") == []
