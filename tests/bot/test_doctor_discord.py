"""What the doctor says of Discord: token, home servers, permissions; it never tells the token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.doctor.discord import NEEDED, examine_discord, invite_url
from bot.doctor.finding import Finding
from config.settings import Settings, load_settings
from tests.fakes.discord import FakeDiscord, bits

TOKEN = "MTA.fake.token"
Ask = Callable[..., Any]


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(token=TOKEN) as server:
        yield server
        assert server.violations == []


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for info in Settings.model_fields.values():
        monkeypatch.delenv(str(info.validation_alias), raising=False)


async def ask(fake: FakeDiscord, **changes: Any) -> list[Finding]:
    plain = {
        "discord_token": TOKEN,
        "discord_api_base": fake.api_base,
        "home_guild_ids": fake.home.id,
    }
    found = await examine_discord(load_settings(**{**plain, **changes}))
    assert TOKEN not in repr(found)
    assert all(finding.state == "ok" or finding.fix for finding in found)
    return found


async def test_without_a_token_it_is_off_and_says_where_to_get_one() -> None:
    [finding] = await examine_discord(load_settings())
    assert finding.state == "off"
    assert "DISCORD_TOKEN" in finding.fix


async def test_a_bot_at_home_with_its_permissions_is_ok(fake: FakeDiscord) -> None:
    found = await ask(fake)
    assert {finding.part: finding.state for finding in found} == {
        "discord": "ok",
        "discord intents": "ok",
        f"server {fake.home.id}": "ok",
    }
    assert "k2c" in found[0].sentence
    assert "home" in found[2].sentence


async def test_no_request_changes_anything(fake: FakeDiscord) -> None:
    await ask(fake)
    assert {call.method for call in fake.requests} == {"GET"}


async def test_a_refused_token_is_a_sentence_that_does_not_repeat_it(fake: FakeDiscord) -> None:
    [finding] = await ask(fake, discord_token="another.secret.token")
    assert finding.state == "problem"
    assert "refuses the token" in finding.sentence
    assert "another" not in repr(finding)


async def test_a_server_without_the_bot_gives_the_link_that_invites_it(fake: FakeDiscord) -> None:
    found = await ask(fake, home_guild_ids=f"{fake.home.id},{fake.foreign.id}")
    missing = found[-1]
    assert (missing.part, missing.state) == (f"server {fake.foreign.id}", "problem")
    assert invite_url(fake.app_id, int(fake.foreign.id)) in missing.fix
    assert found[-2].state == "ok"


async def test_missing_permissions_are_named(fake: FakeDiscord) -> None:
    fake.home.role("bot").permissions &= ~bits("embed_links", "attach_files")
    finding = (await ask(fake))[-1]
    assert finding.state == "problem"
    assert finding.sentence == "In home the bot lacks Embed Links, Attach Files."


async def test_an_administrator_lacks_nothing(fake: FakeDiscord) -> None:
    fake.home.role("bot").permissions = bits("administrator")
    fake.home.role("@everyone").permissions = 0
    assert (await ask(fake))[-1].state == "ok"


async def test_no_home_server_is_told(fake: FakeDiscord) -> None:
    finding = (await ask(fake, home_guild_ids=""))[-1]
    assert finding.state == "off"
    assert "DISCORD_GUILD_ID" in finding.fix


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "asks us to wait"), (502, "trouble of its own (502)"), (418, "does not answer as")],
)
@pytest.mark.parametrize("path", ["/users/@me", "/guilds/*"])
async def test_discord_in_trouble_is_a_sentence(
    fake: FakeDiscord, status: int, words: str, path: str
) -> None:
    fake.fault("GET", path, status=status, times=9)
    finding = (await ask(fake))[-1]
    assert finding.state == "problem"
    assert words in finding.sentence


async def test_a_reset_connection_is_a_sentence(fake: FakeDiscord) -> None:
    fake.fault("GET", "/users/@me", reset="before", times=9)
    [finding] = await ask(fake)
    assert finding.state == "problem"
    assert "cannot be reached" in finding.sentence


async def test_a_closed_port_is_a_sentence_without_the_proxys_login(fake: FakeDiscord) -> None:
    [finding] = await ask(fake, discord_api_base="http://me:pw@127.0.0.1:9/api/v10")
    assert finding.sentence.startswith("http://127.0.0.1:9 cannot be reached")


async def test_a_hostile_server_name_is_one_plain_line(fake: FakeDiscord) -> None:
    fake.home.name = "x\n\u202e\x1b[31m" + "y" * 500
    sentence = (await ask(fake))[-1].sentence
    assert sentence.isprintable()
    assert len(sentence) < 200


def test_the_invitation_asks_for_what_answering_and_threads_take_and_no_more() -> None:
    asked = bits(
        "view_channel", "send_messages", "embed_links", "attach_files", "read_message_history",
        "send_messages_in_threads",
    )  # fmt: skip
    assert sum(NEEDED.values()) == asked
    asked |= bits("create_public_threads")
    assert f"permissions={asked}" in invite_url("1", 2)
    assert "scope=bot+applications.commands" in invite_url("1", 2)
