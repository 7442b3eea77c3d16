"""What the doctor says of the channels that moderators configured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.community.ledger import write_settings
from bot.community.words import ChannelSetting, RoleSetting, Setting
from bot.doctor.channels import permissions_in
from bot.doctor.discord import examine_discord
from bot.doctor.finding import Finding
from bot.store import FILE_NAME, Store
from config.settings import Settings, load_settings
from tests.fakes.discord import FakeDiscord, bits

TOKEN = "MTA.fake.token"


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


async def ask(fake: FakeDiscord, folder: Path, *found: Setting) -> list[Finding]:
    """What is said of the channels, the token's and the server's lines left out."""
    store = await Store.open(folder / FILE_NAME)
    await store.write(lambda db: write_settings(db, fake.home.id, found))
    await store.close()
    settings = load_settings(
        discord_token=TOKEN, discord_api_base=fake.api_base, home_guild_ids=fake.home.id,
        data_dir=folder,
    )  # fmt: skip
    return (await examine_discord(settings))[3:]


def channel(fake: FakeDiscord, name: str, purpose: Any = "announcements", **more: Any) -> Setting:
    return ChannelSetting(fake.home.id, purpose, fake.home.channel(name).id, **more)


async def test_channels_that_grant_all_are_one_line(fake: FakeDiscord, tmp_path: Path) -> None:
    found = await ask(
        fake, tmp_path, channel(fake, "general"), channel(fake, "help"),
        channel(fake, "a-thread", "discussions"),
    )  # fmt: skip
    assert [(f.state, f.sentence) for f in found] == [
        ("ok", "3 configured channels grant all that is needed.")
    ]


async def test_a_closed_history_is_named_with_the_channel(
    fake: FakeDiscord, tmp_path: Path
) -> None:
    await fake.deny(fake.home.channel("general"), "read_message_history")
    [finding] = await ask(fake, tmp_path, channel(fake, "general"), channel(fake, "bots"))
    assert finding.state == "problem"
    assert finding.sentence == ("#general, set for announcements, lacks Read Message History.")
    assert "Edit Channel" in finding.fix


@pytest.mark.parametrize(
    ("where", "purpose", "denied", "thread", "lacks"),
    [
        ("help", "announcements", "send_messages", False, "Create Posts"),
        ("general", "announcements", "create_public_threads", True, "Create Public Threads"),
        ("a-thread", "discussions", "send_messages_in_threads", False,
         "Send Messages in Threads"),
        ("general", "results", "attach_files", False, "Attach Files"),
        ("general", "announcements", "view_channel", False, "View Channel"),
    ],
)  # fmt: skip
async def test_each_purpose_asks_for_what_it_takes(
    fake: FakeDiscord, tmp_path: Path, where: str, purpose: str, denied: str, thread: bool,
    lacks: str,
) -> None:  # fmt: skip
    place = fake.home.channel(where)
    await fake.deny(place.parent or place, denied)
    more = {"thread": True} if thread else {}
    [finding] = await ask(fake, tmp_path, channel(fake, where, purpose, **more))
    assert finding.state == "problem"
    assert lacks in finding.sentence or "hidden" in finding.sentence


async def test_what_is_not_needed_is_not_asked_for(fake: FakeDiscord, tmp_path: Path) -> None:
    await fake.deny(fake.home.channel("general"), "create_public_threads", "attach_files")
    [finding] = await ask(fake, tmp_path, channel(fake, "general"))
    assert finding.state == "ok"


async def test_a_deleted_channel_is_told(fake: FakeDiscord, tmp_path: Path) -> None:
    gone = channel(fake, "general")
    await fake.delete_channel(fake.home.channel("general"))
    [finding] = await ask(fake, tmp_path, gone)
    assert finding.state == "problem" and "gone or hidden" in finding.sentence


async def test_a_role_that_cannot_be_pinged_is_told(fake: FakeDiscord, tmp_path: Path) -> None:
    role = fake.home.role("contributors")
    ping = RoleSetting(fake.home.id, "ping", role.id)
    await fake.deny(fake.home.channel("general"), "mention_everyone")
    [finding] = await ask(fake, tmp_path, channel(fake, "general"), ping)
    assert "Mention @everyone" in finding.sentence
    role.mentionable = True
    [finding] = await ask(fake, tmp_path, channel(fake, "general"), ping)
    assert finding.state == "ok"


async def test_a_server_without_channels_says_how_to_set_one(
    fake: FakeDiscord, tmp_path: Path
) -> None:
    [finding] = await ask(fake, tmp_path)
    assert finding.state == "off" and "/config channel" in finding.fix


async def test_a_refusal_of_the_list_leaves_the_rest_standing(
    fake: FakeDiscord, tmp_path: Path
) -> None:
    fake.fault("GET", "/guilds/*/channels", status=502, times=9)
    [finding] = await ask(fake, tmp_path, channel(fake, "general"))
    assert finding.state == "problem" and "502" in finding.sentence


def test_overwrites_count_in_discords_order() -> None:
    send, view = bits("send_messages"), bits("view_channel")
    guild = {"id": "1", "roles": [{"id": "1", "permissions": str(send | view)},
                                  {"id": "5", "permissions": "0"}]}  # fmt: skip
    member = {"user": {"id": "9"}, "roles": ["5"]}

    def rule(who: str, kind: int, allow: int = 0, deny: int = 0) -> dict[str, Any]:
        return {"id": who, "type": kind, "allow": str(allow), "deny": str(deny)}

    def may(*rules: dict[str, Any]) -> int:
        return permissions_in(guild, member, {"permission_overwrites": list(rules)})

    assert may() == send | view
    assert may(rule("1", 0, deny=send)) == view
    assert may(rule("1", 0, deny=send), rule("5", 0, allow=send)) == send | view
    assert may(rule("5", 0, allow=send), rule("9", 1, deny=send)) == view
    assert may(rule("7", 0, deny=send), rule("8", 1, deny=send)) == send | view
