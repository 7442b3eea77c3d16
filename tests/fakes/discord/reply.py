"""What a user sees of an interaction: the message as it stands, and all that led to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fakes.discord import limits
from tests.fakes.discord.interactions import THINKING, Interaction, Step
from tests.fakes.discord.messages import Event
from tests.fakes.discord.world import Json

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


class NoAnswer(AssertionError):
    """The user read "The application did not respond"; ``reply`` is what there is."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(f"no answer to {reply.interaction.payload['data']!r:.300}")


@dataclass(frozen=True)
class Modal:
    """A form the bot opened."""

    json: Json
    reply: Reply

    @property
    def title(self) -> str:
        """The form's title."""
        return str(self.json["title"])

    @property
    def values(self) -> dict[str, str]:
        """The texts the form opened with, by label (or custom id where there is none)."""
        found = {}
        labels: dict[str, str] = {}
        for _, component in limits.walk(self.json["components"]):
            if component["type"] == 18:
                labels[component["component"]["custom_id"]] = component["label"]
            elif component["type"] == 4:
                name = component.get("label") or labels.get(component["custom_id"])
                found[name or component["custom_id"]] = component.get("value") or ""
        return found


class Reply:
    """The living answer to one interaction."""

    def __init__(self, fake: FakeDiscord, interaction: Interaction) -> None:
        self._fake = fake
        self.interaction = interaction
        self._edits_seen = 0

    @property
    def message(self) -> Json:
        """The message that answers, as it stands now."""
        stored = self.interaction.response
        assert stored is not None, "the interaction was not answered with a message"
        assert not stored.deleted, "the message was deleted"
        return stored.json

    @property
    def deleted(self) -> bool:
        """Whether the answering message is gone."""
        return self.interaction.response is not None and self.interaction.response.deleted

    @property
    def followups(self) -> list[Json]:
        """The further messages of this interaction, as they stand now."""
        return [m.json for m in self.interaction.followups if not m.deleted]

    @property
    def modal(self) -> Modal:
        """The form that answers."""
        assert self.interaction.modal is not None, "the interaction was not answered with a modal"
        return Modal(self.interaction.modal, self)

    @property
    def choices(self) -> list[Json]:
        """The suggestions that answer an autocomplete."""
        assert self.interaction.choices is not None, "no choices came"
        return self.interaction.choices

    @property
    def answered(self) -> bool:
        """Whether the bot has answered in time."""
        return self.interaction.answer_type is not None

    @property
    def type(self) -> int | None:
        """The callback's type: 4 message, 5 thinking, 6 and 7 update, 8 choices, 9 modal."""
        return self.interaction.answer_type

    @property
    def ephemeral(self) -> bool:
        """Whether only the user sees the answer."""
        return bool(self.message["flags"] & limits.EPHEMERAL)

    @property
    def deferred(self) -> bool:
        """Whether the bot answered "thinking" first."""
        return self.interaction.answer_type == THINKING

    @property
    def thinking(self) -> bool:
        """Whether the message still says "thinking"."""
        return bool(self.message["flags"] & limits.LOADING)

    @property
    def ack_ms(self) -> float:
        """Milliseconds from the dispatch to the answer."""
        assert self.interaction.answered_s is not None
        return (self.interaction.answered_s - self.interaction.sent_s) * 1000

    @property
    def history(self) -> list[Step]:
        """All that the bot did through this interaction, in order."""
        return self.interaction.history

    @property
    def text(self) -> str:
        """All words of the message: content, text displays, embeds."""
        return message_text(self.message)

    @property
    def files(self) -> dict[str, bytes]:
        """The message's files by name, as the CDN would serve them."""
        return file_bytes(self._fake, self.message)

    @property
    def pings(self) -> set[str]:
        """Whom all messages of this interaction notified: user ids, role:<id>, everyone, here."""
        return set().union(*(step.pings for step in self.history))

    async def edited(self, timeout: float = 30.0) -> Json:  # noqa: ASYNC109
        """Wait for an edit that no earlier call has returned, whoever made it."""
        await self._fake.wait_for(lambda: len(self._edits()) > self._edits_seen, timeout)
        self._edits_seen = len(self._edits())
        return self.message

    def _edits(self) -> list[Event]:
        stored = self.interaction.response
        events = stored.events if stored else []
        return [e for e in events if e.kind == "edit" and e.at_s > self.interaction.sent_s]

    @property
    def first_edit_ms(self) -> float:
        """Milliseconds from the dispatch to the first edit of the answer."""
        return (self._edits()[0].at_s - self.interaction.sent_s) * 1000

    async def followed_up(self, count: int = 1, timeout: float = 30.0) -> Json:  # noqa: ASYNC109
        """Wait until there are ``count`` follow-up messages and return the last."""
        await self._fake.wait_for(lambda: len(self.followups) >= count, timeout)
        return self.followups[count - 1]

    async def finished(
        self,
        predicate: Callable[[Reply], object] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109
    ) -> Json:
        """Wait until ``predicate`` holds (default: no longer "thinking") and return the message."""
        done = predicate or (lambda reply: not reply.thinking)
        await self._fake.wait_for(lambda: done(self), timeout)
        return self.message


def message_text(message: Json) -> str:
    """Return all words of a message."""
    words = [limits.visible_text(message)]
    for embed in message["embeds"]:
        words += [embed.get("title") or "", embed.get("description") or ""]
        words += [f"{f['name']} {f['value']}" for f in embed.get("fields") or ()]
        words.append((embed.get("footer") or {}).get("text") or "")
    return "\n".join(filter(None, words))


def file_bytes(fake: FakeDiscord, message: Json) -> dict[str, bytes]:
    """Return a message's files by name."""
    base = fake.cdn_base
    return {
        a["filename"]: fake.cdn[a["url"].removeprefix(base)].data for a in message["attachments"]
    }


def find_component(message: Json, name: str, kinds: frozenset[int]) -> Json:
    """Return the component called ``name`` by label, placeholder or custom id."""
    found = [c for _, c in limits.walk(message["components"]) if c["type"] in kinds]
    for component in found:
        if name in (component.get(k) for k in ("label", "placeholder", "custom_id")):
            return component
    names = [c.get("label") or c.get("placeholder") or c.get("custom_id") for c in found]
    raise AssertionError(f"no {name!r} on the message; there are {names}")
