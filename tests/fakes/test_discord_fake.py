"""The fake against the real discord.py: what works on Discord works here, and breaks as there."""

from __future__ import annotations

import asyncio
import gc
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands, ui

from tests.fakes.bots import make_bot, running
from tests.fakes.discord import FakeDiscord, NoAnswer

PNG = b"\x89PNG not really"


class Form(ui.Modal, title="Inputs"):
    """A form with one field."""

    batch: ui.TextInput[Form] = ui.TextInput(label="Batch", default="32", custom_id="batch")

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.edit_message(content=f"batch {self.batch.value}")


class Buttons(ui.View):
    """A persistent button that opens the form, and one that answers."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @ui.button(label="Change inputs", custom_id="change")
    async def change(self, interaction: discord.Interaction[Any], _: ui.Button[Buttons]) -> None:
        await interaction.response.send_modal(Form())

    @ui.button(label="Explain", custom_id="explain")
    async def explain(self, interaction: discord.Interaction[Any], _: ui.Button[Buttons]) -> None:
        await interaction.response.send_message("because", ephemeral=True)

    @ui.select(placeholder="Pick", custom_id="pick", options=[discord.SelectOption(label="One")])
    async def pick(self, interaction: discord.Interaction[Any], menu: ui.Select[Buttons]) -> None:
        await interaction.response.edit_message(content=f"picked {menu.values[0]}")


def card(text: str) -> ui.LayoutView:
    """Return a components v2 answer with a picture."""
    view = ui.LayoutView(timeout=None)
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
    gallery.add_item(media="attachment://chart.png", description="a chart")
    view.add_item(ui.Container(ui.TextDisplay(text), gallery))
    return view


def chart() -> discord.File:
    """Return a file as a bot attaches it."""
    return discord.File(io.BytesIO(PNG), "chart.png")


class DemoBot:
    """A bot with one command for each thing the fake must do; it keeps the errors it met."""

    def __init__(self, intents: discord.Intents | None = None) -> None:
        self.client = make_bot(intents)
        self.errors: list[BaseException] = []
        self.seen: list[str] = []
        self.gate = asyncio.Event()
        tree = self.client.tree
        tree.error(self._failed)
        for command in (self.ping, self.slow, self.hold, self.ask, self.card, self.shout, self.odd):
            name = command.__name__
            made: Any = app_commands.Command(name=name, description=name, callback=command)
            made.allowed_installs = app_commands.AppInstallationType(guild=True, user=True)
            tree.add_command(made)
        made.autocomplete("word")(self.suggest)
        self.client.add_listener(self.on_message)
        self.client.setup_hook = self.set_up  # type: ignore[method-assign]

    async def set_up(self) -> None:
        self.client.add_view(Buttons())
        await self.client.tree.sync()

    async def _failed(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        self.errors.append(getattr(error, "original", error))

    async def on_message(self, message: discord.Message) -> None:
        self.seen.append(message.content)

    async def ping(self, interaction: discord.Interaction[Any], number: int = 1) -> None:
        await interaction.response.send_message(f"pong {number}", view=Buttons())

    async def slow(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content="done", attachments=[chart()])
        await interaction.followup.send("and more")

    async def hold(self, interaction: discord.Interaction[Any]) -> None:
        await self.gate.wait()
        await interaction.response.send_message("at last")

    async def ask(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer(ephemeral=True)
        await self.gate.wait()
        await interaction.edit_original_response(content="late news")

    async def card(self, interaction: discord.Interaction[Any]) -> None:
        answer = await interaction.response.send_message(view=card("**hello**"), file=chart())
        assert isinstance(answer.resource, discord.InteractionMessage)
        self.seen.append(str(answer.resource.id))

    async def shout(self, interaction: discord.Interaction[Any], text: str) -> None:
        mine = discord.AllowedMentions(everyone=False, users=[interaction.user], roles=False)
        await interaction.response.send_message(text, allowed_mentions=mine)

    async def odd(self, interaction: discord.Interaction[Any], word: str) -> None:
        button: ui.Button[ui.View] = ui.Button(label="x" * 90)
        await interaction.response.send_message(word, view=ui.View().add_item(button))

    async def suggest(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{typed}!", value=typed)]


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as server:
        yield server


@pytest.fixture
async def bot(fake: FakeDiscord) -> AsyncIterator[DemoBot]:
    demo = DemoBot()
    async with running(demo.client, fake):
        yield demo
    gc.collect()  # an exception nobody retrieved would warn here, and warnings are errors


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


async def test_a_429_is_waited_out(fake: FakeDiscord, bot: DemoBot) -> None:
    fault = fake.fault("POST", "/interactions/*/callback", status=429, retry_after=0.05)
    reply = await fake.user("alice").slash("ping")
    assert fault.hits == 1 and reply.text == "pong 1"


async def test_a_429_without_via_is_a_ban_for_the_library(fake: FakeDiscord, bot: DemoBot) -> None:
    fake.ack_deadline_s = 0.2
    fake.fault("POST", "/interactions/*/callback", status=429, via=False)
    with pytest.raises(NoAnswer):
        await fake.user("alice").slash("ping")
    assert isinstance(bot.errors[0], discord.HTTPException) and bot.errors[0].status == 429


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 503])
async def test_a_5xx_on_the_answer_is_retried(fake: FakeDiscord, bot: DemoBot, status: int) -> None:
    fake.fault("POST", "/interactions/*/callback", status=status)
    reply = await fake.user("alice").slash("ping")
    assert reply.text == "pong 1" and reply.ack_ms > 900


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_reset_connection_raises_and_after_means_the_work_was_done(
    fake: FakeDiscord, bot: DemoBot, when: str
) -> None:
    fake.ack_deadline_s = 0.3
    fake.fault("POST", "/interactions/*/callback", reset=when)
    reply = await fake.user("alice").slash("ping", wait=False)
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)
    assert reply.answered is (when == "after")


async def test_a_dropped_socket_resumes_and_replays(fake: FakeDiscord, bot: DemoBot) -> None:
    fake.gateway.drop()
    await fake.wait_for(lambda: not fake.gateway.sockets)
    reply = await fake.user("alice").slash("ping")
    assert reply.text == "pong 1"
    assert len(fake.resumes) == 1 and len(fake.identifies) == 1
    assert fake.gateway.paths[-1].startswith("/gateway/resume")


@pytest.mark.parametrize("how", ["op 7", "op 9 true", "close 4000"])
async def test_a_polite_interruption_resumes(fake: FakeDiscord, bot: DemoBot, how: str) -> None:
    if how == "op 7":
        await fake.gateway.reconnect()
    elif how == "op 9 true":
        await fake.gateway.invalidate(resumable=True)
    else:
        await fake.gateway.close(4000)
    await fake.wait_for(lambda: fake.resumes)
    assert (await fake.user("alice").slash("ping")).text == "pong 1"
    assert len(fake.identifies) == 1


async def test_a_lost_session_identifies_again_at_the_fake(fake: FakeDiscord, bot: DemoBot) -> None:
    await fake.gateway.invalidate(resumable=False)
    await fake.wait_for(lambda: len(fake.identifies) == 2)
    await fake.ready()
    assert (await fake.user("alice").slash("ping")).text == "pong 1"
    assert fake.resumes == []


async def test_heartbeats_are_answered() -> None:
    async with FakeDiscord(heartbeat_s=0.05) as quick:
        bot = DemoBot()
        async with running(bot.client, quick):
            first = bot.client.latency
            await quick.wait_for(lambda: bot.client.latency not in (first, float("inf")))
        assert len(quick.identifies) == 1


@pytest.mark.slow
async def test_a_refused_socket_is_tried_again(fake: FakeDiscord) -> None:
    bot = DemoBot()
    async with running(bot.client, fake):
        fake.gateway.refuse_next = 1
        fake.gateway.drop()
        await fake.wait_for(lambda: not fake.gateway.refuse_next)
        reply = await fake.user("alice").slash("ping", wait=False)
        await fake.wait_for(lambda: reply.answered, 10)
    assert len(fake.identifies) == 1


async def test_the_second_answer_to_a_doubled_interaction_is_40060(
    fake: FakeDiscord, bot: DemoBot
) -> None:
    reply = await fake.user("alice").slash("ping", copies=2)
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], discord.HTTPException) and bot.errors[0].code == 40060
    assert len(reply.history) == 1


async def test_a_dead_token_is_50027(fake: FakeDiscord, bot: DemoBot) -> None:
    await fake.user("alice").slash("ask")
    fake.kill_tokens()
    bot.gate.set()
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], discord.HTTPException) and bot.errors[0].code == 50027


async def test_a_late_answer_is_10062(fake: FakeDiscord, bot: DemoBot) -> None:
    fake.ack_deadline_s = 0.05
    with pytest.raises(NoAnswer) as caught:
        await fake.user("alice").slash("hold")
    bot.gate.set()
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], discord.NotFound) and bot.errors[0].code == 10062
    assert not caught.value.reply.answered


async def test_a_dismissed_thinking_message_is_10008(fake: FakeDiscord, bot: DemoBot) -> None:
    alice = fake.user("alice")
    reply = await alice.slash("ask")
    assert reply.thinking and reply.ephemeral
    await alice.dismiss(reply.message)
    bot.gate.set()
    await fake.wait_for(lambda: bot.errors)
    assert isinstance(bot.errors[0], discord.NotFound) and bot.errors[0].code == 10008


async def test_the_same_nonce_posts_once(fake: FakeDiscord, bot: DemoBot) -> None:
    channel = bot.client.get_partial_messageable(int(fake.home.channel("news").id))
    first = await channel.send("once", nonce="a1")
    again = await channel.send("once", nonce="a1")
    assert first.id == again.id
    assert len(fake.channel_messages(fake.home.channel("news"))) == 1
    await first.edit(content="twice")
    await first.delete()
    assert [e.kind for e in fake.messages.events] == ["create", "edit", "delete"]
    assert not fake.violations


async def test_a_denied_channel_refuses_until_allowed(fake: FakeDiscord, bot: DemoBot) -> None:
    news = fake.home.channel("news")
    channel = bot.client.get_partial_messageable(int(news.id))
    await fake.deny(news, "attach_files")
    with pytest.raises(discord.Forbidden) as refused:
        await channel.send("x", file=chart())
    assert refused.value.code == 50013
    await fake.deny(news)
    assert (await channel.send("x", file=chart())).attachments[0].size == len(PNG)


async def test_direct_messages_and_foreign_channels(fake: FakeDiscord, bot: DemoBot) -> None:
    alice = await bot.client.fetch_channel(int(fake.dm(fake.user("alice")).id))
    assert isinstance(alice, discord.DMChannel)
    await alice.send("hello")
    assert fake.channel_messages(fake.dm(fake.user("alice")))[0].json["content"] == "hello"
    with pytest.raises(discord.Forbidden):
        await bot.client.fetch_channel(int(fake.foreign.channels[0].id))


async def test_others_words_are_blank_without_the_intent(fake: FakeDiscord) -> None:
    bot = DemoBot(discord.Intents(guilds=True, guild_messages=True))
    async with running(bot.client, fake):
        said = await fake.user("alice").say("a secret")
        await fake.wait_for(lambda: bot.seen)
        channel = bot.client.get_partial_messageable(int(fake.home.channels[0].id))
        read = await channel.fetch_message(int(said["id"]))
        assert bot.seen == [""] and read.content == ""
        await fake.user("alice").say(f"<@{fake.app_id}> hello")
        await fake.wait_for(lambda: len(bot.seen) == 2)
        assert bot.seen[1].endswith("hello"), "what mentions the bot is for the bot"


async def test_others_words_are_readable_with_the_intent() -> None:
    async with FakeDiscord(privileged=True) as fake:
        intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
        bot = DemoBot(intents)
        async with running(bot.client, fake):
            await fake.user("alice").say("no secret")
            await fake.wait_for(lambda: bot.seen)
            assert bot.seen == ["no secret"]


async def test_a_privileged_intent_that_is_off_ends_the_bot(fake: FakeDiscord) -> None:
    bot = DemoBot(discord.Intents(guilds=True, message_content=True))
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with running(bot.client, fake):
            pass


async def test_a_wrong_token_is_refused(fake: FakeDiscord) -> None:
    bot = DemoBot()
    with pytest.raises(discord.LoginFailure):
        async with running(bot.client, fake, token="MTA.wrong.token"):
            pass


async def test_an_invalid_component_is_a_violation(fake: FakeDiscord, bot: DemoBot) -> None:
    fake.ack_deadline_s = 0.2
    with pytest.raises(NoAnswer):
        await fake.user("alice").slash("odd", {"word": "h1"})
    assert isinstance(bot.errors[0], discord.HTTPException) and bot.errors[0].code == 50035
    assert "label" in fake.violations[0].problem


async def test_an_unknown_route_is_a_violation(fake: FakeDiscord, bot: DemoBot) -> None:
    with pytest.raises(discord.NotFound):
        await bot.client.http.get_user(1)
    assert fake.violations[0].path == "/users/1"
