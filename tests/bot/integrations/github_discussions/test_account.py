"""Who the bot is and what it may do: tokens that end, rights that lack, repositories that close.

In every such case: one sentence that names the repair, few calls, and recovery by itself.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.integrations.github_discussions.connection import Credentials
from bot.integrations.github_discussions.holds import HOLD_S
from bot.integrations.github_discussions.service import GitHubService
from config.settings import load_settings
from tests.bot.integrations.github_discussions import effects
from tests.bot.integrations.github_discussions.conftest import World

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]


def test_in_production_a_refused_account_makes_three_calls_in_ten_minutes() -> None:
    assert HOLD_S == 300.0


def _archived(world: World, on: bool) -> None:
    world.fake.archived = on


def _disabled(world: World, on: bool) -> None:
    world.fake.discussions_enabled = not on


def _hidden(world: World, on: bool) -> None:
    world.fake.hidden = on


def _no_rights(world: World, on: bool) -> None:
    world.fake.permissions["discussions"] = "read" if on else "write"


def _bad_token(world: World, on: bool) -> None:
    world.fake.token = "ghp_fake_other" if on else "ghp_fake"


TROUBLES = {
    "unarchive": _archived,
    "turn them on": _disabled,
    "GITHUB_REPOSITORY": _hidden,
    "Discussions: read and write": _no_rights,
    "GITHUB_TOKEN": _bad_token,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fix", "at_start"),
    [*((fix, False) for fix in TROUBLES), ("GITHUB_TOKEN", True), ("unarchive", True)],
)
async def test_trouble_is_named_asks_little_and_ends_by_itself(
    world: World, fix: str, at_start: bool
) -> None:
    world.hold_s, trouble = 0.9, TROUBLES[fix]
    world.settings["github_token"] = "ghp_fake"
    if at_start:
        trouble(world, True)
    async with world.bot() as bot:
        trouble(world, True)
        await asyncio.sleep(0.3)  # the look at the start is over
        before = len(world.fake.calls)
        await bot.enqueue(*(effects.post(f"p{n}") for n in range(5)))
        other = effects.comment("D_kwDOfake9")
        await bot.enqueue(other)
        await asyncio.sleep(2 * world.hold_s)  # ten minutes, scaled down
        assert fix in bot.service.problem
        assert (await bot.told("p0")).state == "waiting"
        assert fix in (await bot.told("p0")).reason
        assert len(world.fake.calls) - before <= 3 + 2  # the service's own looks come to it
        assert len(world.fake.mutations) <= 3
        trouble(world, False)
        ended = await bot.ended(*(f"p{n}" for n in range(5)))
        assert bot.service.problem == ""
    assert [one.state for one in ended] == ["sent"] * 5 and len(world.fake.discussions) == 5


async def test_a_missing_category_holds_only_what_needs_it_and_is_seen_when_it_is_made(
    world: World,
) -> None:
    world.hold_s = 0.6
    async with world.bot() as bot:
        await bot.enqueue(effects.post("lost", category="GPU Kernels!"), effects.post("fine"))
        await bot.ended("fine")
        await bot.put_off("lost", "no Discussions category named “GPU Kernels!”")
        assert "make it there" in bot.service.problem
        world.fake.add_category("GPU Kernels!")
        (told,) = await bot.ended("lost")
        assert told.receipt["category"] == "GPU Kernels!" and bot.service.problem == ""


async def test_many_posts_for_a_missing_category_look_for_it_seldom(world: World) -> None:
    async with world.bot() as bot:
        before = len(world.fake.calls)
        await bot.enqueue(*(effects.post(f"p{n}", category="Nowhere") for n in range(8)))
        for n in range(8):
            await bot.put_off(f"p{n}", "Nowhere")
        assert len(world.fake.calls) - before <= 2


async def test_a_category_that_was_made_anew_has_another_id_and_is_looked_up(
    world: World,
) -> None:
    world.hold_s = 0.5
    async with world.bot() as bot:
        old = world.fake.category("General")
        world.fake.categories.remove(old)
        new = world.fake.add_category("General")
        await bot.enqueue(effects.post())
        await bot.ended("gh:a:new")
    assert world.fake.discussions[0].category is new


async def test_an_announcement_category_without_the_role_does_not_stop_the_others(
    world: World,
) -> None:
    world.fake.permissions["repository"] = "triage"
    async with world.bot() as bot:
        await bot.enqueue(effects.post("held", category="Announcements"), effects.post("fine"))
        await bot.put_off("held", "Announcement format")
        await bot.ended("fine")


async def test_labels_that_may_not_be_set_do_not_stop_posts(world: World) -> None:
    world.fake.permissions["repository"] = "read"
    made = world.fake.add_discussion(title="T", body="b")
    async with world.bot() as bot:
        await bot.enqueue(effects.labels(made.id, "kernels"), effects.post())
        await bot.put_off("gh:a:label:1", "Triage")
        await bot.ended("gh:a:new")


async def test_pictures_that_may_not_be_stored_do_not_stop_posts(world: World) -> None:
    world.settings["github_pictures"] = "mlsystems/site@no-such-branch"
    picture = effects.picture()
    async with world.bot() as bot:
        await bot.enqueue(picture, effects.post())
        await bot.put_off(picture.key, "the branch exists")
        await bot.ended("gh:a:new")


@pytest.mark.slow
async def test_an_app_s_token_that_ends_in_the_middle_is_renewed(world: World) -> None:
    world.as_app()
    world.fake.app.token_life_s = 31.0  # renewed 30 s before its end: each is good for a second
    made = [effects.post(f"p{n}") for n in range(6)]
    async with world.bot() as bot:
        for effect in made:
            await bot.enqueue(effect)
            await bot.ended(effect.key)
            await asyncio.sleep(0.5)
    assert len(world.fake.app.issued) >= 2 and len(world.fake.discussions) == 6
    assert all(call.status != 401 for call in world.fake.calls)


@pytest.mark.slow
async def test_an_app_s_token_that_is_refused_early_is_replaced_once(world: World) -> None:
    world.as_app()
    async with world.bot() as bot:
        world.fake.app.refuse_tokens()
        await bot.service.look()  # a read is tried again at once
        world.fake.app.refuse_tokens()
        await bot.enqueue(effects.post())  # a change is tried again by the outbox
        await bot.ended("gh:a:new")
        assert bot.service.problem == ""
    refused = [call for call in world.fake.calls if call.status == 401]
    assert len(refused) == 2 and len(world.fake.discussions) == 1


@pytest.mark.slow
async def test_an_app_knows_itself_by_both_of_its_names(world: World) -> None:
    world.as_app()
    async with world.bot() as bot:
        service = bot.service
        assert service.login == "k2c-bot"
        assert service.is_own("k2c-bot[bot]") and service.is_own("K2C-bot", "BOT_kgDOabc")
        assert service.is_own("k2c-bot")
        assert not service.is_own("k2c-bot", "U_kgDOabc")  # a person of that name
        assert not service.is_own("alice") and not service.is_own("")
        world.fake.faults.add("createDiscussion", "502", applied=True)
        await bot.enqueue(effects.post())
        await bot.ended("gh:a:new")
    assert len(world.fake.discussions) == 1 and world.fake.discussions[0].by_app


async def test_a_person_is_known_by_the_login_alone(world: World) -> None:
    async with world.bot() as bot:
        assert bot.service.is_own("k2c-bot") and not bot.service.is_own("k2c-bot[bot]")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"github_app_private_key": "no key"}, "GITHUB_APP_PRIVATE_KEY"),
        ({"github_app_id": "1"}, "GITHUB_APP_ID"),
        ({"github_installation_id": "1"}, "GITHUB_INSTALLATION_ID"),
        (
            {"github_app_private_key": None, "github_app_private_key_file": "/nowhere/key.pem"},
            "GITHUB_APP_PRIVATE_KEY_FILE cannot be read (No such file",
        ),
    ],
)
async def test_an_app_that_is_set_up_wrongly_is_told_what_to_check(
    world: World, settings: dict[str, Any], named: str
) -> None:
    world.as_app()
    world.settings |= settings
    async with world.bot() as bot:
        await bot.enqueue(effects.post())
        await bot.put_off("gh:a:new", named)
        assert named in bot.service.problem
    assert len(world.fake.calls) <= 3


async def test_a_key_file_and_a_key_in_one_line_are_read(world: World) -> None:
    world.as_app()
    key = str(world.settings["github_app_private_key"])
    for n, form in enumerate((key.replace("\n", "\\n"), None)):
        file = Path(world.folder / "key.pem")
        await asyncio.to_thread(file.write_text, key)
        world.settings["github_app_private_key"] = form
        world.settings["github_app_private_key_file"] = str(file) if form is None else ""
        async with world.bot() as bot:
            await bot.enqueue(effects.post(f"p{n}"))
            await bot.ended(f"p{n}")


async def test_an_enterprise_server_is_reached_under_api_v3(world: World) -> None:
    world.settings["github_api_base"] = world.fake.api_base + "/api/v3"
    world.settings["github_pictures"] = effects.PICTURES
    picture = effects.picture()
    async with world.bot() as bot:
        await bot.enqueue(effects.post(), picture)
        told = await bot.ended("gh:a:new", picture.key)
    assert [one.state for one in told] == ["sent", "sent"]


def test_credentials_show_nothing_of_themselves() -> None:
    credentials = Credentials("https://x", token="ghp_secret", key="PRIVATE")
    assert repr(credentials) == "Credentials(a token)" and "secret" not in f"{credentials}"


async def test_without_credentials_or_a_repository_nothing_is_started(world: World) -> None:
    for given in ({}, {"github_repository": "a/b"}, {"github_token": "ghp_fake"}):
        service = GitHubService(load_settings(**given))
        assert not service.configured
        await service.start()
        await service.close()
    assert not world.fake.calls


@pytest.mark.slow
def test_pygithub_is_not_imported_before_something_is_sent() -> None:
    """It takes 20 MiB and half a second."""
    code = (
        "import sys; from bot.integrations.github_discussions.service import GitHubService;"
        "from config.settings import load_settings; GitHubService(load_settings(github_token='x',"
        "github_repository='a/b')); print([m for m in ('github', 'requests', 'markdown_it')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


async def test_the_token_is_in_no_log_at_debug(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.as_app()
    caplog.set_level(logging.DEBUG, "github.Requester")
    async with world.bot() as bot:
        world.fake.app.refuse_tokens()
        await bot.enqueue(effects.post())
        await bot.ended("gh:a:new")
    assert "ghs_fake" not in caplog.text and "PRIVATE" not in caplog.text


async def test_a_refusal_in_unknown_words_is_no_end_while_the_repository_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.integrations.github_discussions.errors.CLOSED", ())
    async with world.bot() as bot:
        world.fake.archived = True
        await bot.enqueue(effects.post())
        told = await bot.put_off("gh:a:new", "unarchive it")
        assert told.state == "waiting"


async def test_what_github_finds_invalid_is_given_up_with_its_words(world: World) -> None:
    made = world.fake.add_discussion(title="T", body="b", comments=["c"])
    reply = world.fake.comment(made, "r", reply_to=made.comments[0])
    async with world.bot() as bot:
        await bot.enqueue(effects.comment(made.id, reply_to=reply.id))
        (told,) = await bot.ended("gh:a:comment")
    assert told.state == "never" and "already in a thread" in told.reason
