"""A user who acts: types commands, presses buttons, fills forms, writes messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from tests.fakes.discord.command_limits import CHAT_INPUT, MESSAGE_MENU, USER_MENU
from tests.fakes.discord.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, SUBMIT, Interaction
from tests.fakes.discord.limits import BUTTON, LINK, SELECTS
from tests.fakes.discord.messages import Stored, Upload
from tests.fakes.discord.options import (
    Resolver,
    crafted_options,
    filled_modal,
    find_options,
    nest,
    typed_options,
)
from tests.fakes.discord.payloads import command_data, new_interaction, option_value
from tests.fakes.discord.place import Place, Where
from tests.fakes.discord.reply import Modal, NoAnswer, Reply, find_component
from tests.fakes.discord.world import Channel, Guild, Json, user_payload

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


class User:
    """Made by ``FakeDiscord.user``. Every action waits for the bot's answer and returns a Reply.

    ``raw=True`` sends what no client would: undeclared options, hidden commands, wrong values.
    ``wait=False`` returns at once; ``copies=2`` dispatches the same interaction twice.
    """

    def __init__(self, fake: FakeDiscord, user_id: str, name: str) -> None:
        self._fake = fake
        self.id = user_id
        self.name = name
        self.roles: tuple[str, ...] = ()
        self.locale = "en-US"
        self.closed = False  # takes no direct messages
        self.json = user_payload(user_id, name)

    @property
    def mention(self) -> str:
        """How a message mentions the user."""
        return f"<@{self.id}>"

    def role_ids(self, guild: Guild) -> list[str]:
        """Return the ids of the user's roles in a guild."""
        return [role.id for role in guild.roles if role.name in self.roles]

    async def slash(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        raw: bool = False,
        wait: bool = True,
        copies: int = 1,
        timeout: float = 30.0,  # noqa: ASYNC109
        **where: Unpack[Where],
    ) -> Reply:
        """Run ``/name``; ``"config channel"`` names a subcommand."""
        place = self._fake.place(self, where)
        root, *path = name.split()
        command = self._find(root, place, raw)
        resolver = Resolver(self._fake, place)
        typed = crafted_options if raw else typed_options
        sent = typed(find_options(command, path), options or {}, resolver)
        data = command_data(command, nest(path, sent), resolver)
        interaction = new_interaction(self._fake, self, COMMAND, place, data)
        return await self._act(interaction, wait, timeout, copies)

    async def autocomplete(
        self,
        name: str,
        option: str,
        typed: str,
        *,
        others: Mapping[str, Any] | None = None,
        timeout: float = 30.0,  # noqa: ASYNC109
        **where: Unpack[Where],
    ) -> list[Json]:
        """Type ``typed`` into an option and return the suggestions."""
        reply = await self.type_into(name, option, typed, others=others, timeout=timeout, **where)
        return reply.choices

    async def type_into(
        self,
        name: str,
        option: str,
        typed: str,
        *,
        others: Mapping[str, Any] | None = None,
        wait: bool = True,
        timeout: float = 30.0,  # noqa: ASYNC109
        **where: Unpack[Where],
    ) -> Reply:
        """Do as ``autocomplete`` does and return the whole Reply, with its ``ack_ms``."""
        place = self._fake.place(self, where)
        root, *path = name.split()
        command = self._find(root, place, raw=False)
        declared = find_options(command, path)
        chosen = next((o for o in declared if o["name"] == option), None)
        assert chosen and chosen.get("autocomplete"), f"{option!r} has no autocomplete"
        values = dict(others or {}) | {option: typed}
        resolver = Resolver(self._fake, place)
        sent = typed_options(declared, values, resolver, partial=True)
        for entry in sent:
            entry |= {"focused": True} if entry["name"] == option else {}
        data = command_data(command, nest(path, sent), resolver)
        interaction = new_interaction(self._fake, self, AUTOCOMPLETE, place, data)
        interaction.option_type = chosen["type"]
        return await self._act(interaction, wait, timeout)

    async def message_menu(
        self,
        name: str,
        message: Json,
        *,
        raw: bool = False,
        timeout: float = 30.0,  # noqa: ASYNC109
        **where: Unpack[Where],
    ) -> Reply:
        """Choose an app's entry in a message's menu; the bot then gets the whole message."""
        stored = self._fake.messages.find(message["id"])
        place = self._fake.place(self, {"channel": stored.channel, **where})
        command = self._find(name, place, raw, MESSAGE_MENU)
        resolver = Resolver(self._fake, place, {"messages": {stored.id: stored.json}})
        data = command_data(command, [], resolver) | {"target_id": stored.id}
        return await self._act(
            new_interaction(self._fake, self, COMMAND, place, data), True, timeout
        )

    async def user_menu(
        self,
        name: str,
        target: User,
        *,
        raw: bool = False,
        timeout: float = 30.0,  # noqa: ASYNC109
        **where: Unpack[Where],
    ) -> Reply:
        """Choose an app's entry in a user's menu."""
        place = self._fake.place(self, where)
        command = self._find(name, place, raw, USER_MENU)
        resolver = Resolver(self._fake, place)
        target_id = resolver.id_of(target)
        data = command_data(command, [], resolver) | {"target_id": target_id}
        return await self._act(
            new_interaction(self._fake, self, COMMAND, place, data), True, timeout
        )

    async def click(
        self,
        message: Json,
        name: str,
        *,
        wait: bool = True,
        copies: int = 1,
        timeout: float = 30.0,  # noqa: ASYNC109
    ) -> Reply:
        """Press the button with this label or custom id, as the message stands now."""
        stored = self._seen(message)
        button = find_component(stored.json, name, frozenset({BUTTON}))
        assert button["style"] != LINK, f"{name!r} is a link: {button.get('url')}"
        return await self._use(stored, button, {}, wait, timeout, copies)

    async def select(
        self,
        message: Json,
        name: str,
        values: list[Any],
        *,
        wait: bool = True,
        timeout: float = 30.0,  # noqa: ASYNC109
    ) -> Reply:
        """Choose in the menu with this placeholder or custom id, by label, value or object."""
        stored = self._seen(message)
        menu = find_component(stored.json, name, SELECTS)
        resolver = Resolver(self._fake, self._place_of(stored))
        chosen = [
            option_value(menu, v) if isinstance(v, str) else resolver.any_id(v) for v in values
        ]
        data: Json = {"values": chosen}
        if resolver.resolved:
            data["resolved"] = resolver.resolved
        return await self._use(stored, menu, data, wait, timeout)

    async def press_unseen(
        self,
        message: Json,
        custom_id: str,
        timeout: float = 30.0,  # noqa: ASYNC109
    ) -> Reply:
        """Press a button that the message does not have, as a crafted request would."""
        button = {"type": BUTTON, "custom_id": custom_id, "id": 1}
        stored = self._fake.messages.find(message["id"])
        return await self._use(stored, button, {}, True, timeout)

    async def submit(
        self,
        modal: Modal,
        values: Mapping[str, Any] | None = None,
        *,
        on: Json | None = None,
        wait: bool = True,
        timeout: float = 30.0,  # noqa: ASYNC109
    ) -> Reply:
        """Send a form; fields left out keep what they were shown with."""
        opener = modal.reply.interaction
        source = self._fake.messages.find(on["id"]) if on else opener.source
        resolver = Resolver(self._fake, opener.place)
        filled = filled_modal(modal.json["components"], values or {}, resolver)
        data = {"custom_id": modal.json["custom_id"], "components": filled}
        if resolver.resolved:
            data["resolved"] = resolver.resolved
        interaction = new_interaction(self._fake, self, SUBMIT, opener.place, data, source)
        return await self._act(interaction, wait, timeout)

    async def say(
        self, text: str, channel: Channel | None = None, files: tuple[Upload, ...] = ()
    ) -> Json:
        """Write a message in a channel (default: the home server's first)."""
        stored = await self._fake.messages.create(
            channel or self._fake.home.channels[0],
            {"content": text},
            dict(enumerate(files)),
            author=self.json,
        )
        return stored.json

    async def dismiss(self, message: Json) -> None:
        """Make a message go away, as a user may with "thinking" and private answers."""
        await self._fake.messages.delete(self._seen(message))

    def _find(self, name: str, place: Place, raw: bool, kind: int = CHAT_INPUT) -> Json:
        command = self._fake.command(name, place.guild)
        if raw:
            return command
        assert command["type"] == kind, f"{name!r} is a command of type {command['type']}"
        assert place.offers(command), f"Discord does not offer {name!r} in this place"
        needed = int(command.get("default_member_permissions") or 0)
        if place.guild is not None and command.get("default_member_permissions") is not None:
            mine = place.guild.permissions(self.roles)
            assert needed and mine & needed == needed, f"Discord hides {name!r} from {self.name}"
        return command

    def _seen(self, message: Json) -> Stored:
        stored = self._fake.messages.find(message["id"])
        assert stored.viewer in (None, self.id), f"{self.name} cannot see this private message"
        return stored

    def _place_of(self, stored: Stored) -> Place:
        metadata = stored.json.get("interaction_metadata") or {}
        return Place(stored.channel, "1" in metadata.get("authorizing_integration_owners", {}))

    async def _use(
        self,
        stored: Stored,
        component: Json,
        data: Json,
        wait: bool,
        timeout: float,  # noqa: ASYNC109
        copies: int = 1,
    ) -> Reply:
        assert not component.get("disabled"), f"{component} is disabled"
        data = data | {"custom_id": component["custom_id"], "component_type": component["type"]}
        data["id"] = component["id"]
        interaction = new_interaction(
            self._fake, self, COMPONENT, self._place_of(stored), data, stored
        )
        return await self._act(interaction, wait, timeout, copies)

    async def _act(
        self,
        interaction: Interaction,
        wait: bool,
        timeout: float,  # noqa: ASYNC109
        copies: int = 1,
    ) -> Reply:
        assert self._fake.gateway.sessions, "no bot has identified at the fake Discord"
        await self._fake.interactions.send(interaction, copies)
        reply = Reply(self._fake, interaction)
        if wait and not await self._fake.interactions.settle(interaction, timeout):
            raise NoAnswer(reply)
        return reply
