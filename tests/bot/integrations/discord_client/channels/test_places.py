"""What the connection says of channels, from Discord's events alone."""

from __future__ import annotations

import pytest

from bot.integrations.discord_client.channels.needs import CHANNEL
from bot.integrations.discord_client.channels.places import ClientPlaces
from tests.bot.integrations.discord_client.conftest import World


async def test_what_is_lacking_is_named_by_purpose(world: World) -> None:
    home = world.fake.home
    async with world.bot() as bot:
        places = ClientPlaces(lambda: bot.service.client)
        general, forum = home.channel("general"), home.channel("help")
        for name in ("general", "help", "news", "a-thread"):
            assert places.lacking(home.channel(name).id, "announcements", thread=True) == []
        await world.fake.deny(general, "create_public_threads", "read_message_history")
        await world.fake.deny(forum, "send_messages")
        await world.fake.wait_for(lambda: places.lacking(forum.id, "announcements"))
        assert places.lacking(general.id, "announcements") == ["Read Message History"]
        assert places.lacking(general.id, "announcements", thread=True) == [
            "Read Message History", "Create Public Threads",
        ]  # fmt: skip
        assert places.lacking(general.id, "commands") == []
        assert places.lacking(forum.id, "announcements") == ["Create Posts"]


async def test_a_hidden_channel_lacks_sight_and_a_deleted_one_itself(world: World) -> None:
    home = world.fake.home
    async with world.bot() as bot:
        places = ClientPlaces(lambda: bot.service.client)
        general, bots = home.channel("general"), home.channel("bots")
        await world.fake.deny(general, "view_channel")
        await world.fake.delete_channel(bots)
        await world.fake.wait_for(lambda: places.lacking(bots.id, "results"))
        assert places.lacking(general.id, "announcements") == ["View Channel"]
        assert places.lacking(home.channel("a-thread").id, "discussions") == ["View Channel"]
        assert places.lacking(bots.id, "results") == [CHANNEL]
        assert places.lacking("not a number", "results") == [CHANNEL]


async def test_names_are_known_and_those_that_are_not_are_empty(world: World) -> None:
    home = world.fake.home
    async with world.bot() as bot:
        places = ClientPlaces(lambda: bot.service.client)
        assert places.name_of(home.id, home.channel("a-thread").id) == "a-thread"
        assert places.name_of(home.id, home.role("contributors").id) == "contributors"
        assert places.name_of(home.id, "1") == places.name_of("1", home.id) == ""
        assert places.name_of(world.fake.other.id, home.channel("general").id) == ""


@pytest.mark.parametrize("mentionable", [True, False])
async def test_a_role_needs_a_permission_only_where_not_everybody_may_mention_it(
    world: World, mentionable: bool
) -> None:
    role, general = world.fake.home.role("contributors"), world.fake.home.channel("general")
    role.mentionable = mentionable
    async with world.bot() as bot:
        places = ClientPlaces(lambda: bot.service.client)
        assert places.lacking_to_ping(general.id, role.id) == []
        await world.fake.deny(general, "mention_everyone", "read_message_history")
        await world.fake.wait_for(lambda: places.lacking(general.id, "announcements"))
        lacking = places.lacking_to_ping(general.id, role.id)
        assert lacking == ([] if mentionable else ["Mention @everyone, @here, and All Roles"])


def test_without_a_connection_nothing_is_said_to_be_missing() -> None:
    places = ClientPlaces(lambda: None)
    assert places.lacking("1", "announcements") == []
    assert places.lacking_of("1", ["View Channel"]) is None and not places.is_gone("1", "2")
    assert places.name_of("1", "2") == places.guild_of("1") == ""
