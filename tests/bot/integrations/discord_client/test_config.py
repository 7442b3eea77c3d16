"""/config over Discord: every subcommand, and that only a home server's moderators use it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from bot.community.words import ChannelSetting, LimitSetting, RoleSetting
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.home import home_bot, two_homes
from tests.bot.integrations.discord_client.messages import buttons, labels
from tests.fakes.discord.messages import Upload

KEY = "sk-very-secret-1234567890"


async def test_a_channel_is_set_with_native_pickers_and_answers_privately(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        news = fake.home.channel("news")
        options = {"purpose": "announcements", "channel": news, "topic": "quantization"}
        reply = await home.mod.slash("config channel", options | {"thread": True})
        assert reply.ephemeral
        assert "Set announcements in #news: Quantization, with a thread." in reply.text
        assert home.book.channels("announcements") == [
            ChannelSetting(fake.home.id, "announcements", news.id, "quantization", True)
        ]
        again = await home.mod.slash("config channel", options | {"thread": True})
        assert "It was so already" in again.text
        declared = {o["name"]: o for o in fake.command("config", fake.home)["options"]}
    assert list(declared) == [
        *("channel", "role", "category", "limits", "endpoint", "show", "export", "import")
    ]
    channel = {option["name"]: option for option in declared["channel"]["options"]}
    assert channel["channel"]["channel_types"] == [0, 5, 15]
    assert len(channel["topic"]["choices"]) == 10 and len(channel["purpose"]["choices"]) == 5
    assert [o["name"] for o in declared["role"]["options"]] == ["purpose", "role", "topic"]
    assert [o["name"] for o in declared["limits"]["options"]] == ["what", "runs", "per", "role"]


async def test_a_channel_without_permissions_is_taken_and_says_what_to_grant(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        bots = fake.home.channel("bots")
        await fake.deny(bots, "send_messages")
        await fake.wait_for(lambda: fake.home.id in home.changed)
        home.waiting[bots.id] = 2
        reply = await home.mod.slash(
            "config channel", {"purpose": "announcements", "channel": bots}
        )
        assert "#bots" in reply.text and "give me" in reply.text and "Send Messages" in reply.text
        assert "2 waiting posts" in reply.text
        assert home.book.channels("announcements")
        shown = await home.mod.slash("config show")
        assert "no permission: Send Messages" in shown.text
        await fake.deny(bots)
        home.waiting.clear()
        await fake.wait_for(lambda: len(home.changed) > 2)
        shown = await home.mod.slash("config show")
        assert "no permission" not in shown.text and "all topics · ok" in shown.text


async def test_roles_categories_and_limits(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        role = fake.home.role("contributors")
        reply = await home.mod.slash("config role", {"purpose": "maintainer", "role": role})
        assert "@contributors" in reply.text and "Integrations" in reply.text
        assert home.book.may("maintainer", fake.home.id, (role.id,))
        await home.mod.slash("config role", {"purpose": "ping", "role": role, "topic": "rag"})
        assert home.book.ping_role(fake.home.id, "rag") == role.id
        assert home.book.ping_role(fake.home.id, "agents") == ""
        found = await home.mod.autocomplete("config category", "category", "ker")
        assert [choice["value"] for choice in found] == ["Kernels"]
        await home.mod.slash("config category", {"topic": "rag", "category": "kernels"})
        assert home.book.category("rag") == "Kernels"
        wrong = await home.mod.slash("config category", {"topic": "rag", "category": "Kernel"})
        assert "no such category" in wrong.text and "Kernels" in wrong.text
        await home.mod.slash(
            "config limits", {"what": "jobs", "runs": 5, "per": "hour", "role": role}
        )
        everyone = fake.home.roles[0]
        await home.mod.slash(
            "config limits", {"what": "jobs", "runs": 2, "per": "hour", "role": everyone}
        )
        assert home.book.limits("jobs", fake.home.id, ()) == {"hour": 2}
        assert home.book.limits("jobs", fake.home.id, (role.id,)) == {"hour": 5}


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        ("channel", {"purpose": "walls", "channel": "1"}, "purpose is one of"),
        ("channel", {"purpose": "results", "channel": "12"}, "must be a text, announcement"),
        ("channel", {"purpose": "results", "channel": 12}, "must be a text, announcement"),
        ("channel", {"purpose": "results"}, "The option channel is missing"),
        ("role", {"purpose": "ping", "role": "９９"}, "must be a role of this server"),
        ("limits", {"what": "jobs", "per": "hour", "runs": 2**60}, "must be a whole number"),
        ("limits", {"what": "jobs", "per": "hour", "runs": -1}, "A limit is 0"),
        ("limits", {"what": "jobs", "per": "hour", "runs": True}, "must be a whole number"),
        ("category", {"topic": "nope", "category": "x"}, "topic is one of"),
        ("import", {"file": "77"}, "must be a file sent with the command"),
    ],
)
async def test_what_no_honest_client_sends_is_a_sentence(
    world: World, command: str, options: dict[str, Any], words: str
) -> None:
    async with home_bot(world) as home:
        reply = await home.mod.slash(f"config {command}", options, raw=True)
        assert words in reply.text.replace("\\", "") and reply.ephemeral
        assert home.book.settings(world.fake.home.id) == []


async def test_another_servers_channel_and_role_are_not_taken(world: World) -> None:
    other = two_homes(world)
    async with home_bot(world) as home:
        theirs = {"purpose": "announcements", "channel": other.channel("news")}
        assert "of this server" in (await home.mod.slash("config channel", theirs)).text
        theirs = {"purpose": "run-jobs", "role": other.role("contributors")}
        assert "of this server" in (await home.mod.slash("config role", theirs)).text
        assert home.book.revision() == 0


async def test_senseless_combinations_are_refused(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        help_forum = fake.home.channel("help")
        thread = {"purpose": "announcements", "channel": help_forum, "thread": True}
        assert "is a forum" in (await home.mod.slash("config channel", thread)).text
        topic = {"purpose": "moderators", "channel": help_forum, "topic": "rag"}
        assert "means nothing" in (await home.mod.slash("config channel", topic)).text
        everyone = {"purpose": "maintainer", "role": fake.home.roles[0]}
        assert "not everybody" in (await home.mod.slash("config role", everyone)).text
        ping = {"purpose": "run-jobs", "role": fake.home.role("contributors"), "topic": "rag"}
        assert "for ping alone" in (await home.mod.slash("config role", ping)).text


async def test_a_member_without_manage_server_is_refused_however_they_ask(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        with pytest.raises(AssertionError, match="Discord hides 'config'"):
            await home.alice.slash("config show")
        reply = await home.alice.slash("config show", raw=True)
        assert "Only moderators may use /config" in reply.text and reply.ephemeral
        options = {"purpose": "announcements", "channel": fake.home.channel("news")}
        reply = await home.alice.slash("config channel", options, raw=True)
        assert "Only moderators" in reply.text
        shown = await home.mod.slash("config show")
        for action in ("cfgexport", "cfghistory", "cfgremove", "cfgapply"):
            pressed = await home.alice.press_unseen(shown.message, f"k2c:{action}:{'0' * 22}")
            assert "Only moderators" in pressed.text and pressed.ephemeral
        assert home.book.revision() == 0


async def test_foreign_servers_and_direct_messages_configure_nothing(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        home_command = fake.command("config", fake.home)
        fake.guild_commands[fake.other.id] = [dict(home_command)]
        reply = await home.mod.slash("config show", raw=True, guild=fake.other)
        assert "only in the community's own server" in reply.text and reply.ephemeral
        fake.commands.append(dict(home_command))
        for where in ({"dm": True}, {"guild": fake.foreign, "user_install": True}):
            reply = await home.mod.slash("config export", raw=True, **where)
            assert "only in the community's own server" in reply.text
            assert not reply.message["attachments"]
        # The app that a member installed for themselves, used inside the home server.
        reply = await home.mod.slash("config show", raw=True, user_install=True, guild=fake.home)
        assert "only in the community's own server" in reply.text


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


async def test_settings_of_two_home_servers_never_meet(world: World) -> None:
    fake, other = world.fake, two_homes(world)
    async with home_bot(world) as home:
        mine = {"purpose": "announcements", "channel": fake.home.channel("news")}
        await home.mod.slash("config channel", mine)
        role = {"purpose": "run-jobs", "role": other.role("contributors")}
        await home.mod.slash("config role", role, guild=other)
        here = await home.mod.slash("config show")
        there = await home.mod.slash("config show", guild=other)
        assert "#news" in here.text and "run-jobs" not in here.text
        assert "run-jobs" in there.text and "announcements" not in there.text
        menu = next(s for s in home.book.settings(fake.home.id))
        assert home.book.find(other.id, "x") is None and isinstance(menu, ChannelSetting)
        log = await home.mod.click(there.message, "History")
        assert "contributors" in log.text and "#news" not in log.text
        file = next(iter((await home.mod.slash("config export", guild=other)).files.values()))
        assert fake.home.channel("news").id.encode() not in file
        # A setting's reference of one server pressed in the other finds nothing.
        chosen = await home.mod.select(
            here.message, "Edit or remove", ["announcements in #news: all topics"]
        )
        token = labels_token(chosen.message, "Remove")
        crafted = await home.mod.press_unseen(there.message, f"k2c:cfgremove:{token}")
        assert "gone already" in crafted.text and home.book.channels("announcements")


def labels_token(message: dict[str, Any], label: str) -> str:
    """The 22 characters of the button with that label."""
    found = next(b for b in buttons(message) if b["label"] == label)
    return str(found["custom_id"].split(":")[2])


async def test_a_setting_is_edited_and_removed_from_the_menu_also_after_a_restart(
    world: World,
) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        await home.mod.slash(
            "config channel", {"purpose": "announcements", "channel": fake.home.channel("news")}
        )
        shown = await home.mod.slash("config show")
        assert labels(shown.message) == ["Export", "History"]
    async with home_bot(world) as home:
        entry = "announcements in #news: all topics"
        chosen = await home.mod.select(shown.message, "Edit or remove", [entry])
        assert labels(chosen.message) == ["A thread for each", "Remove", "Back"]
        threaded = await home.mod.click(chosen.message, "A thread for each")
        assert "with a thread · ok" in threaded.text
        assert home.book.channels("announcements")[0].thread
        entry += ", with a thread"
        chosen = await home.mod.select(threaded.message, "Edit or remove", [entry])
        removed = await home.mod.click(chosen.message, "Remove")
        assert "Removed announcements in #news" in removed.text
        assert "Nothing is configured" in removed.text
        assert home.book.settings(fake.home.id) == []
        log = await home.mod.click(removed.message, "History")
        lines = [line for line in log.text.split("\n") if "@mod" in line]
        assert len(lines) == 3 and "removed" in lines[0] and "ago" in lines[0]


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
            shown.message, f"k2c:cfgapply:{labels_token(shown.history[0].message or {}, 'Apply')}"
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


async def test_answers_are_for_everybody_only_where_moderators_want_commands(world: World) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        assert not (await home.alice.slash("pace", {"gpu": "h100"})).ephemeral
        bots = {"purpose": "commands", "channel": fake.home.channel("bots")}
        await home.mod.slash("config channel", bots)
        general = await home.alice.slash("pace", {"gpu": "h100"})
        assert general.ephemeral and "Share" in labels(general.message)
        there = fake.home.channel("bots")
        assert not (await home.alice.slash("pace", {"gpu": "h100"}, channel=there)).ephemeral
        elsewhere = await home.alice.slash("pace", {"gpu": "h100"}, guild=fake.other)
        assert not elsewhere.ephemeral
        help_forum = {"purpose": "commands", "channel": fake.home.channel("help")}
        await home.mod.slash("config channel", help_forum)
        post = fake.home.channel("a-post")
        assert not (await home.alice.slash("pace", {"gpu": "h100"}, channel=post)).ephemeral
