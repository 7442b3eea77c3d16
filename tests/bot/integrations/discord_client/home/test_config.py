"""/config over Discord: every subcommand, and that only a home server's moderators use it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.community.words import ChannelSetting
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.homes import home_bot, two_homes
from tests.bot.integrations.discord_client.messages import labels, token_of


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
        log = await home.mod.click(there.message, "History")
        assert "contributors" in log.text and "#news" not in log.text
        file = next(iter((await home.mod.slash("config export", guild=other)).files.values()))
        assert fake.home.channel("news").id.encode() not in file
        # A setting's reference of one server pressed in the other finds nothing.
        chosen = await home.mod.select(
            here.message, "Edit or remove", ["announcements in #news: all topics"]
        )
        token = token_of(chosen.message, "Remove")
        crafted = await home.mod.press_unseen(there.message, f"k2c:cfgremove:{token}")
        assert "gone already" in crafted.text and home.book.channels("announcements")


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


@pytest.mark.parametrize("fault", [{}, {"reset": "after"}, {"status": 500}, {"reset": "before"}])
async def test_a_bad_moment_changes_once_and_answers_once(
    world: World, fault: dict[str, Any]
) -> None:
    fake = world.fake
    async with home_bot(world) as home:
        if fault:
            fake.fault("POST", "/interactions/*/callback", **fault)
        options = {"purpose": "announcements", "channel": fake.home.channel("news")}
        reply = await home.mod.slash("config channel", options, copies=1 if fault else 2)
        assert "Set announcements in #news" in reply.text and reply.followups == []
        assert len(await home.book.history(fake.home.id)) == 1
