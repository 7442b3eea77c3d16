"""What a user of the fake can do beyond plain commands, against the real discord.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from discord import app_commands, ui

from tests.fakes.bots import make_bot, running
from tests.fakes.discord import FakeDiscord, NoAnswer, Upload

pytestmark = pytest.mark.slow

Interaction = discord.Interaction[Any]


class LongForm(ui.Modal, title="Everything"):
    """A form with every kind of field that holds a value."""

    name = ui.Label[ui.Modal](text="Name", component=ui.TextInput(default="x", custom_id="name"))
    kind = ui.Label[ui.Modal](
        text="Kind",
        component=ui.Select(
            options=[discord.SelectOption(label="A"), discord.SelectOption(label="B", default=True)]
        ),
    )
    file = ui.Label[ui.Modal](text="File", component=ui.FileUpload())
    sure = ui.Label[ui.Modal](text="Sure", component=ui.Checkbox())

    async def on_submit(self, interaction: Interaction) -> None:
        name, kind, file, sure = (
            label.component for label in (self.name, self.kind, self.file, self.sure)
        )
        assert isinstance(name, ui.TextInput) and isinstance(kind, ui.Select)
        assert isinstance(file, ui.FileUpload) and isinstance(sure, ui.Checkbox)
        data = await file.values[0].read()
        words = f"{name.value} {kind.values[0]} {data.decode()} {sure.value}"
        await interaction.response.send_message(words)


class Picker(ui.View):
    """A view with menus of Discord's own objects."""

    @ui.select(cls=ui.ChannelSelect[ui.View], placeholder="Channel")
    async def channel(self, interaction: Interaction, menu: ui.ChannelSelect[ui.View]) -> None:
        await interaction.response.send_message(f"channel {menu.values[0].name}")

    @ui.select(cls=ui.RoleSelect[ui.View], placeholder="Role")
    async def role(self, interaction: Interaction, menu: ui.RoleSelect[ui.View]) -> None:
        await interaction.response.send_message(f"role {menu.values[0].name}")

    @ui.select(cls=ui.UserSelect[ui.View], placeholder="User")
    async def user(self, interaction: Interaction, menu: ui.UserSelect[ui.View]) -> None:
        await interaction.response.send_message(f"user {menu.values[0].name}")


config = app_commands.Group(
    name="config",
    description="Settings",
    guild_only=True,
    default_permissions=discord.Permissions(manage_guild=True),
)


@config.command(name="channel", description="Set a channel")
async def config_channel(
    interaction: Interaction,
    channel: discord.TextChannel,
    role: discord.Role | None = None,
) -> None:
    await interaction.response.send_message(f"{channel.name} {role.name if role else '-'}")


@app_commands.command(description="Read a file")
async def read(interaction: Interaction, file: discord.Attachment) -> None:
    await interaction.response.send_message((await file.read()).decode())


@app_commands.command(description="Open the form")
async def form(interaction: Interaction) -> None:
    await interaction.response.send_modal(LongForm())


@app_commands.command(description="Pick things")
async def pick(interaction: Interaction) -> None:
    await interaction.response.send_message("pick", view=Picker())


@app_commands.command(description="Say much")
@app_commands.allowed_installs(guilds=True, users=True)
async def chatter(interaction: Interaction) -> None:
    await interaction.response.defer(ephemeral=True)
    for number in range(7):
        await interaction.followup.send(f"{number}")


@app_commands.command(description="Follow up too early")
async def early(interaction: Interaction) -> None:
    await interaction.followup.send("too early")


@app_commands.context_menu(name="Post to Discussions")
async def post(interaction: Interaction, message: discord.Message) -> None:
    await interaction.response.send_message(f"{message.author.name}: {message.content}")


@app_commands.context_menu(name="Greet")
async def greet(interaction: Interaction, member: discord.Member) -> None:
    await interaction.response.send_message(f"hello {member.name}")


@pytest.fixture
async def fake() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as server:
        bot = make_bot()
        added: tuple[Any, ...] = (config, read, form, pick, chatter, early, post, greet)
        for command in added:
            bot.tree.add_command(command)
        bot.tree.error(_note_code)

        async def sync() -> None:
            await bot.tree.sync()

        bot.setup_hook = sync  # type: ignore[method-assign]
        async with running(bot, server):
            yield server
        assert not server.violations


async def _note_code(interaction: Interaction, error: app_commands.AppCommandError) -> None:
    cause = getattr(error, "original", error)
    assert isinstance(cause, discord.HTTPException)


async def test_subcommands_take_channels_and_roles(fake: FakeDiscord) -> None:
    mod = fake.user("mod", roles=["moderators"])
    options = {"channel": fake.home.channel("bots"), "role": fake.home.role("contributors")}
    reply = await mod.slash("config channel", options)
    assert reply.text == "bots contributors"


async def test_hidden_commands_need_the_permission_or_a_crafted_request(fake: FakeDiscord) -> None:
    alice, channel = fake.user("alice"), fake.home.channel("bots")
    with pytest.raises(AssertionError, match="hides"):
        await alice.slash("config channel", {"channel": channel})
    with pytest.raises(AssertionError, match="does not offer"):
        await alice.slash("config channel", {"channel": channel}, dm=True)
    crafted = await alice.slash("config channel", {"channel": channel}, raw=True)
    assert crafted.text == "bots -", "the bot itself must check again"


async def test_an_attachment_option_can_be_read(fake: FakeDiscord) -> None:
    reply = await fake.user("alice").slash("read", {"file": Upload("a.txt", b"inside")})
    assert reply.text == "inside"


async def test_a_form_of_all_kinds_is_filled_by_label(fake: FakeDiscord) -> None:
    alice = fake.user("alice")
    opened = await alice.slash("form")
    assert opened.modal.title == "Everything" and opened.modal.values == {"Name": "x"}
    with pytest.raises(AssertionError, match="'File' must be filled"):
        await alice.submit(opened.modal)
    done = await alice.submit(opened.modal, {"File": Upload("a", b"data"), "Sure": True})
    assert done.text == "x B data True"


@pytest.mark.parametrize("what", ["Channel", "Role", "User"])
async def test_menus_of_objects_resolve_them(fake: FakeDiscord, what: str) -> None:
    alice = fake.user("alice")
    chosen: Any = {
        "Channel": fake.home.channel("news"),
        "Role": fake.home.role("moderators"),
        "User": fake.user("bob"),
    }[what]
    reply = await alice.slash("pick")
    picked = await alice.select(reply.message, what, [chosen])
    assert picked.text == f"{what.lower()} {chosen.name}"


async def test_a_message_menu_carries_the_words_even_without_the_intent(fake: FakeDiscord) -> None:
    said = await fake.user("bob").say("worth keeping")
    reply = await fake.user("alice").message_menu("Post to Discussions", said)
    assert reply.text == "bob: worth keeping"
    greeted = await fake.user("alice").user_menu("Greet", fake.user("bob"))
    assert greeted.text == "hello bob"


async def test_the_first_follow_up_after_thinking_is_the_answer(fake: FakeDiscord) -> None:
    reply = await fake.user("alice").slash("chatter")
    await reply.followed_up(6)
    assert reply.text == "0" and reply.ephemeral
    assert [m["content"] for m in reply.followups] == list("123456")


async def test_a_user_installed_app_gets_five_follow_ups(fake: FakeDiscord) -> None:
    reply = await fake.user("alice").slash("chatter", user_install=True)
    await fake.wait_for(lambda: fake.requests[-1].code == 40094)
    assert len(reply.followups) == 5


async def test_a_follow_up_before_the_answer_is_10015(fake: FakeDiscord) -> None:
    fake.ack_deadline_s = 0.2
    with pytest.raises(NoAnswer):
        await fake.user("alice").slash("early")
    assert fake.requests[-1].code == 10015
