"""One interaction from dispatch to expiry: the 3 s, the one answer, the token's life."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.fakes.discord.command_limits import check_modal, choice_problems
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.limits import EPHEMERAL, LOADING
from tests.fakes.discord.messages import Stored, Upload
from tests.fakes.discord.place import Place
from tests.fakes.discord.world import Json

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

COMMAND, COMPONENT, AUTOCOMPLETE, SUBMIT = 2, 3, 4, 5
MESSAGE, THINKING, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
FOLLOW_UPS_BY_USER_INSTALL = 5

Happened = Literal["callback", "edit", "followup", "followup-edit", "delete"]


@dataclass(frozen=True)
class Step:
    """One thing the bot did for an interaction: the message after it (if any), and the body."""

    kind: Happened
    at_ms: float
    message: Json | None
    body: Json
    pings: frozenset[str] = frozenset()


@dataclass
class Interaction:
    """What Discord remembers of an interaction."""

    id: str
    kind: int
    user: Json
    place: Place
    payload: Json
    source: Stored | None = None
    option_type: int = 3
    token: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    sent_s: float = 0.0
    answered_s: float | None = None
    answer_type: int | None = None
    response: Stored | None = None
    followups: list[Stored] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] | None = None
    history: list[Step] = field(default_factory=list)
    late: bool = False
    token_dead: bool = False

    def messages(self) -> Iterator[Stored]:
        """Yield the messages this interaction's token may touch."""
        if self.response is not None:
            yield self.response
        yield from self.followups
        if self.source is not None:
            yield self.source

    def find(self, message_id: str) -> Stored:
        """Return one of them by id, or ``@original``; else 10008."""
        if message_id == "@original":
            found = self.response
        else:
            found = next((m for m in self.messages() if m.id == message_id), None)
        if found is None or found.deleted:
            raise ApiError(10008)
        return found


class Interactions:
    """All interactions, and the rules of answering them."""

    def __init__(self, fake: FakeDiscord) -> None:
        self._fake = fake
        self.by_id: dict[str, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    async def send(self, interaction: Interaction, copies: int = 1) -> None:
        """Dispatch to the bot and start the clock."""
        self.by_id[interaction.id] = self._by_token[interaction.token] = interaction
        interaction.sent_s = self._fake.now()
        data = interaction.payload | {"id": interaction.id, "token": interaction.token}
        guild = interaction.place.guild
        for _ in range(copies):
            await self._fake.gateway.dispatch(
                "INTERACTION_CREATE", data, guild.id if guild else None
            )

    def by_token(self, token: str) -> Interaction:
        """Return the interaction whose token is still good and which was answered."""
        interaction = self._by_token.get(token)
        if interaction is None or interaction.token_dead:
            raise ApiError(50027)
        if self._fake.now() - interaction.sent_s > self._fake.token_life_s:
            raise ApiError(50027)
        if interaction.answered_s is None:
            raise ApiError(10015)
        return interaction

    async def answer(
        self, interaction_id: str, token: str, body: Json, uploads: dict[int, Upload]
    ) -> Interaction:
        """Take the one answer that an interaction may get."""
        interaction = self.by_id.get(interaction_id)
        if interaction is None or interaction.token != token:
            raise ApiError(10062)
        if interaction.answered_s is not None:
            raise ApiError(40060)
        received = self._fake.now()
        if received - interaction.sent_s > self._fake.ack_deadline_s or interaction.late:
            interaction.late = True
            self._fake.changed()
            raise ApiError(10062)
        self._check_type(interaction, int(body["type"]))
        # Set before the work, so that a second answer that arrives meanwhile is refused.
        interaction.answered_s = received
        try:
            await self._take(interaction, int(body["type"]), body.get("data") or {}, uploads)
        except ApiError:
            interaction.answered_s = None
            raise
        interaction.answer_type = int(body["type"])
        message = interaction.response if interaction.answer_type in (4, 5, 7) else None
        self.note(interaction, "callback", message, body)
        return interaction

    def _check_type(self, interaction: Interaction, kind: int) -> None:
        allowed = {
            COMMAND: {MESSAGE, THINKING, MODAL},
            AUTOCOMPLETE: {CHOICES},
            COMPONENT: {MESSAGE, THINKING, DEFER_UPDATE, UPDATE, MODAL},
            SUBMIT: {MESSAGE, THINKING},
        }[interaction.kind]
        if interaction.kind == SUBMIT and interaction.source is not None:
            allowed = allowed | {DEFER_UPDATE, UPDATE}
        if kind not in allowed:
            why = f"callback type {kind} cannot answer an interaction of type {interaction.kind}"
            raise ApiError(50035, [(("type",), why)])

    async def _take(
        self, interaction: Interaction, kind: int, data: Json, uploads: dict[int, Upload]
    ) -> None:
        if kind == MODAL:
            check_modal(data)
            interaction.modal = copy.deepcopy(data)
        elif kind == CHOICES:
            choices = data.get("choices") or []
            where = ("data", "choices")
            if problems := list(choice_problems(where, choices, interaction.option_type)):
                raise ApiError(50035, problems)
            interaction.choices = choices
        elif kind in (DEFER_UPDATE, UPDATE):
            assert interaction.source is not None
            interaction.response = interaction.source
            if kind == UPDATE:
                await self._fake.messages.edit(interaction.source, data, uploads)
        else:
            thinking = LOADING if kind == THINKING else 0
            interaction.response = await self.post(interaction, data, uploads, thinking)

    async def post(
        self, interaction: Interaction, data: Json, uploads: dict[int, Upload], flags: int = 0
    ) -> Stored:
        """Make a new message on behalf of an interaction."""
        private = int(data.get("flags") or 0) & EPHEMERAL
        if uploads and not interaction.place.user_install:
            self._fake.need(interaction.place.channel, "attach_files")
        metadata = {"id": interaction.id, "type": interaction.kind, "user": interaction.user}
        owners = interaction.payload["authorizing_integration_owners"]
        metadata["authorizing_integration_owners"] = owners
        return await self._fake.messages.create(
            interaction.place.channel,
            data,
            uploads,
            author=self._fake.bot_user,
            viewer=interaction.user["id"] if private else None,
            extra={
                "application_id": self._fake.app_id,
                "webhook_id": self._fake.app_id,
                "type": 20 if interaction.kind == COMMAND else 0,
                "flags": flags,
                "interaction_metadata": metadata,
            },
        )

    async def follow_up(
        self, interaction: Interaction, data: Json, uploads: dict[int, Upload]
    ) -> Stored:
        """Post a follow-up; the first one after "thinking" becomes the original message."""
        original = interaction.response
        if original and original.json["flags"] & LOADING and not original.deleted:
            await self._fake.messages.edit(original, data, uploads)
            self.note(interaction, "followup", original, data)
            return original
        used = len(interaction.followups)
        if interaction.place.user_install and used >= FOLLOW_UPS_BY_USER_INSTALL:
            raise ApiError(40094)
        stored = await self.post(interaction, data, uploads)
        interaction.followups.append(stored)
        self.note(interaction, "followup", stored, data)
        return stored

    def note(
        self, interaction: Interaction, kind: Happened, stored: Stored | None, body: Json
    ) -> None:
        """Write down a step and wake whoever waits for it."""
        message = copy.deepcopy(stored.json) if stored else None
        new = kind == "followup" or (kind == "callback" and interaction.answer_type in (4, 5))
        pings = frozenset(stored.pings) if stored and new else frozenset()
        at_ms = (self._fake.now() - interaction.sent_s) * 1000
        interaction.history.append(Step(kind, at_ms, message, body, pings))
        self._fake.changed()

    async def settle(self, interaction: Interaction, timeout_s: float) -> bool:
        """Wait for the answer; false when the bot let the deadline or ``timeout_s`` pass."""
        left = min(timeout_s, self._fake.ack_deadline_s)
        left -= self._fake.now() - interaction.sent_s
        try:
            await self._fake.wait_for(lambda: interaction.answer_type is not None, max(left, 0))
        except TimeoutError:
            return False
        return True
