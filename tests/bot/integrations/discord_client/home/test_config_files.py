"""What goes into /config by a file or a form: shown before it is applied, or never shown again."""

from __future__ import annotations

import json
import logging

import pytest

from bot.community.words import ChannelSetting, LimitSetting, RoleSetting
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.homes import home_bot
from tests.bot.integrations.discord_client.messages import labels, token_of
from tests.fakes.discord.messages import Upload

KEY = "sk-very-secret-1234567890"


async def test_an_endpoints_key_is_typed_into_a_form_and_never_seen_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "discord")  # as K2C_LOG_LEVEL=DEBUG does
    fake = world.fake
    async with home_bot(world, secret="a secret of the operator's") as home:
        options = {"name": "vllm", "origin": "https://llm.example.org:8443/"}
        opened = await home.mod.slash("config endpoint", options)
        assert opened.modal.values["Name"] == "vllm"
        sent = await home.mod.submit(opened.modal, {"key": KEY})
        assert "Endpoint vllm is kept" in sent.text and KEY not in sent.text
        guild = fake.home.id
        origin = "https://llm.example.org:8443"
        assert await home.book.endpoints.key_for(guild, "vllm") == (origin, KEY)
        shown = await home.mod.slash("config show")
        assert origin in shown.text.replace("\\", "") and KEY not in json.dumps(shown.message)
        file = next(iter((await home.mod.slash("config export")).files.values()))
        assert KEY.encode() not in file and b"vllm" not in file
        told = await home.mod.click(shown.message, "History")
        assert "set endpoint vllm" in told.text and KEY not in told.text
    assert KEY not in caplog.text
    assert KEY.encode() not in (world.folder / "k2c.sqlite").read_bytes()
    async with home_bot(world, secret="a secret of the operator's") as home:
        assert await home.book.endpoints.key_for(guild, "vllm") == (origin, KEY)
        wrong = await home.mod.slash(
            "config endpoint", {"name": "x", "origin": "http://llm.example.org"}
        )
        assert "https://" in wrong.text


async def test_without_a_secret_keys_are_not_taken_and_it_says_so(world: World) -> None:
    async with home_bot(world) as home:
        options = {"name": "vllm", "origin": "https://llm.example.org"}
        assert "K2C_SECRET_KEY" in (await home.mod.slash("config endpoint", options)).text


async def test_an_export_is_imported_with_its_difference_shown_first(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        news, role = fake.home.channel("news"), fake.home.role("contributors")
        await home.mod.slash("config channel", {"purpose": "announcements", "channel": news})
        await home.mod.slash("config role", {"purpose": "run-jobs", "role": role})
        exported = await home.mod.slash("config export")
        [(name, content)] = exported.files.items()
        assert name == "k2c-config.json"
        before = home.book.settings(fake.home.id)
        same = await home.mod.slash("config import", {"file": Upload(name, content)})
        assert "what is configured already" in same.text

        file = json.loads(content)
        assert (
            file["channels"][0]["name"] == "#news" and file["roles"][0]["name"] == "@contributors"
        )
        file["roles"] = []
        file["limits"] = [{"what": "jobs", "runs": 5, "per": "day"}]
        changed = Upload("mine.json", json.dumps(file).encode())
        shown = await home.mod.slash("config import", {"file": changed})
        assert "2 settings: 1 set, 1 removed" in shown.text
        assert "removed run-jobs: @contributors" in shown.text
        assert "limit of jobs for everybody: 5 a day" in shown.text
        assert home.book.settings(fake.home.id) == before
        gone = await home.mod.click(shown.message, "Discard")
        assert "nothing was changed" in gone.text and home.book.settings(fake.home.id) == before
        late = await home.mod.press_unseen(
            shown.message, f"k2c:cfgapply:{token_of(shown.history[0].message or {}, 'Apply')}"
        )
        assert "This import is over" in late.text
        shown = await home.mod.slash("config import", {"file": changed})
    async with home_bot(world) as home:  # the bot is restarted between the two
        applied = await home.mod.click(shown.message, "Apply")
        assert "Applied: 2 settings" in applied.text and labels(applied.message) == []
        assert home.book.settings(fake.home.id) == [
            ChannelSetting(fake.home.id, "announcements", news.id),
            LimitSetting(fake.home.id, "jobs", 5, "day"),
        ]
        back = await home.mod.slash("config import", {"file": Upload(name, content)})
        await home.mod.click(back.message, "Apply")
        assert home.book.settings(fake.home.id) == before


async def test_an_import_does_not_undo_what_was_changed_meanwhile(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        file = Upload("x.json", b'{"format": "k2c-config", "version": 1, "limits": '
                                b'[{"what": "posts", "runs": 3, "per": "day"}]}')  # fmt: skip
        shown = await home.mod.slash("config import", {"file": file})
        role = fake.home.role("contributors")
        await home.mod.slash("config role", {"purpose": "run-jobs", "role": role})
        reply = await home.mod.click(shown.message, "Apply")
        assert "changed meanwhile" in reply.text
        assert home.book.settings(fake.home.id) == [RoleSetting(fake.home.id, "run-jobs", role.id)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"format": "k2c-config", "version": 2}', "version: must be 1"),
        (b'{"format": "k2c-config", "version": 1, "channels": [{"purpose": "announcements", '
         b'"channel": "17"}]}', "channels[0].channel: there is no channel 17"),
        (b"{}" + b" " * 300_000, "more than 256 KiB"),
        (b"x" * (2**20 + 1), "more than 1,024 KiB"),
    ],
)  # fmt: skip
async def test_a_hostile_file_is_a_sentence_and_changes_nothing(
    world: World, content: bytes, words: str
) -> None:
    async with home_bot(world) as home:
        reply = await home.mod.slash("config import", {"file": Upload("x.json", content)})
        assert words in reply.text.replace("\\", "")
        assert labels(reply.message) == [] and home.book.revision() == 0
