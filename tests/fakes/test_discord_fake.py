"""The fake against the real discord.py: what works on Discord works here, and breaks as there."""

from __future__ import annotations

import pytest

from tests.fakes.demo import PNG, DemoBot
from tests.fakes.discord import FakeDiscord

pytestmark = pytest.mark.slow


async def test_a_bot_logs_in_and_registers_its_commands(fake: FakeDiscord, bot: DemoBot) -> None:
    await bot.client.wait_until_ready()
    assert {g.name for g in bot.client.guilds} == {"home", "other"}
    assert fake.syncs == {"PUT": 1} and fake.command("ping")["integration_types"] == [0, 1]
    assert fake.identifies[0]["intents"] == 1
    assert not fake.violations


async def test_a_slash_command_is_answered(fake: FakeDiscord, bot: DemoBot) -> None:
    reply = await fake.user("alice").slash("ping", {"number": 3})
    assert reply.text == "pong 3" and not reply.ephemeral and not reply.deferred
    assert [step.kind for step in reply.history] == ["callback"] and reply.ack_ms > 0
    assert not fake.violations


@pytest.mark.parametrize("place", ["other", "dm", "thread", "user install", "user install dm"])
async def test_commands_answer_in_every_place(fake: FakeDiscord, bot: DemoBot, place: str) -> None:
    alice = fake.user("alice", locale="de")
    if place == "other":
        reply = await alice.slash("ping", guild=fake.other)
    elif place == "thread":
        reply = await alice.slash("ping", channel=fake.home.channel("a-thread"))
    elif place == "dm":
        reply = await alice.slash("ping", dm=True)
    else:
        reply = await alice.slash("ping", dm=place.endswith("dm"), user_install=True)
    assert reply.text == "pong 1" and not fake.violations


async def test_a_client_refuses_what_was_not_declared(fake: FakeDiscord, bot: DemoBot) -> None:
    alice = fake.user("alice")
    with pytest.raises(AssertionError, match="undeclared"):
        await alice.slash("ping", {"nonsense": 1})
    with pytest.raises(AssertionError, match="cannot be 'three'"):
        await alice.slash("ping", {"number": "three"})
    with pytest.raises(AssertionError, match="no command 'pong'"):
        await alice.slash("pong")
    crafted = await alice.slash("ping", {"number": 4, "nonsense": "x"}, raw=True)
    assert crafted.text == "pong 4"


async def test_autocomplete_suggests(fake: FakeDiscord, bot: DemoBot) -> None:
    choices = await fake.user("alice").autocomplete("odd", "word", "h1")
    assert choices == [{"name": "h1!", "value": "h1"}]


async def test_a_deferred_answer_is_edited_with_a_file_and_followed_up(
    fake: FakeDiscord, bot: DemoBot
) -> None:
    reply = await fake.user("alice").slash("slow")
    assert (await reply.edited())["content"] == "done"
    assert reply.deferred and reply.files == {"chart.png": PNG}
    assert (await reply.followed_up())["content"] == "and more"
    assert [step.kind for step in reply.history] == ["callback", "edit", "followup"]
    attachment = reply.message["attachments"][0]
    assert await bot.client.http.get_from_cdn(attachment["url"]) == PNG
    assert not fake.violations


async def test_components_v2_show_their_files(fake: FakeDiscord, bot: DemoBot) -> None:
    reply = await fake.user("alice").slash("card")
    media = reply.message["components"][0]["components"][1]["items"][0]["media"]
    assert media["url"] == reply.message["attachments"][0]["url"]
    await fake.wait_for(lambda: bot.seen)
    assert bot.seen == [reply.message["id"]], "discord.py reads the callback's answer"
    assert not fake.violations


async def test_a_button_opens_a_filled_form_which_edits_the_message(
    fake: FakeDiscord, bot: DemoBot
) -> None:
    alice = fake.user("alice")
    reply = await alice.slash("ping")
    click = await alice.click(reply.message, "Change inputs")
    assert click.modal.values == {"Batch": "32"}
    await alice.submit(click.modal, {"Batch": "64"})
    assert (await reply.edited())["content"] == "batch 64"
    again = await alice.click(reply.message, "Change inputs")
    await alice.submit(again.modal)
    assert (await reply.edited())["content"] == "batch 32"


async def test_buttons_and_menus_answer_by_label_and_by_id(fake: FakeDiscord, bot: DemoBot) -> None:
    alice = fake.user("alice")
    reply = await alice.slash("ping")
    explained = await alice.click(reply.message, "explain")
    assert explained.ephemeral and explained.text == "because"
    await alice.select(reply.message, "Pick", ["One"])
    assert reply.text == "picked One"
    with pytest.raises(AssertionError, match="cannot see"):
        await fake.user("bob").click(explained.message, "anything")
    with pytest.raises(AssertionError, match="no 'Nothing'"):
        await alice.click(reply.message, "Nothing")


async def test_only_allowed_mentions_ping(fake: FakeDiscord, bot: DemoBot) -> None:
    alice, bob = fake.user("alice"), fake.user("bob")
    text = f"@everyone {alice.mention} {bob.mention} <@&{fake.home.role('moderators').id}>"
    reply = await alice.slash("shout", {"text": text})
    assert reply.pings == {alice.id}
    assert (await alice.slash("ping")).pings == set()
