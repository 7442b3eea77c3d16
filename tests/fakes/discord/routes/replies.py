"""Answers to interactions: the callback, and the webhook routes of the interaction's token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.discord.calls import Answer, Call, Route
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.interactions import Happened, Interaction
from tests.fakes.discord.limits import EPHEMERAL, LOADING
from tests.fakes.discord.world import Json

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord


async def callback(fake: FakeDiscord, call: Call) -> Answer:
    """Take the answer; tell what came of it when ``with_response`` asks."""
    interaction = await fake.interactions.answer(
        call.params["interaction_id"], call.params["interaction_token"], call.body, call.uploads
    )
    if call.query.get("with_response", "").lower() not in ("1", "true"):
        return 204, None
    return 200, _callback_answer(interaction)


def _callback_answer(interaction: Interaction) -> Json:
    head: Json = {"id": interaction.id, "type": interaction.kind}
    if interaction.response is None:
        return {"interaction": head}
    message = interaction.response.json
    head["response_message_id"] = message["id"]
    head["response_message_loading"] = bool(message["flags"] & LOADING)
    head["response_message_ephemeral"] = bool(message["flags"] & EPHEMERAL)
    if interaction.answer_type == 6:
        return {"interaction": head}
    return {"interaction": head, "resource": {"type": interaction.answer_type, "message": message}}


def _interaction(fake: FakeDiscord, call: Call) -> Interaction:
    if call.params["webhook_id"] != fake.app_id:
        raise ApiError(10015)
    return fake.interactions.by_token(call.params["webhook_token"])


async def follow_up(fake: FakeDiscord, call: Call) -> Answer:
    """Post a follow-up; an interaction's webhook always waits."""
    interaction = _interaction(fake, call)
    stored = await fake.interactions.follow_up(interaction, call.body, call.uploads)
    return 200, stored.json


async def get_message(fake: FakeDiscord, call: Call) -> Answer:
    """Return a message of this interaction."""
    interaction = _interaction(fake, call)
    return 200, interaction.find(call.params.get("message_id", "@original")).json


async def edit_message(fake: FakeDiscord, call: Call) -> Answer:
    """Edit a message of this interaction."""
    interaction = _interaction(fake, call)
    stored = interaction.find(call.params.get("message_id", "@original"))
    await fake.messages.edit(stored, call.body or {}, call.uploads)
    kind: Happened = "followup-edit" if stored in interaction.followups else "edit"
    fake.interactions.note(interaction, kind, stored, call.body or {})
    return 200, stored.json


async def delete_message(fake: FakeDiscord, call: Call) -> Answer:
    """Delete a message of this interaction."""
    interaction = _interaction(fake, call)
    stored = interaction.find(call.params.get("message_id", "@original"))
    await fake.messages.delete(stored)
    fake.interactions.note(interaction, "delete", stored, {})
    return 204, None


HOOK = "/webhooks/{webhook_id}/{webhook_token}"
ROUTES: tuple[Route, ...] = (
    ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", callback),
    ("POST", HOOK, follow_up),
    ("GET", HOOK + "/messages/@original", get_message),
    ("PATCH", HOOK + "/messages/@original", edit_message),
    ("DELETE", HOOK + "/messages/@original", delete_message),
    ("GET", HOOK + "/messages/{message_id}", get_message),
    ("PATCH", HOOK + "/messages/{message_id}", edit_message),
    ("DELETE", HOOK + "/messages/{message_id}", delete_message),
)
