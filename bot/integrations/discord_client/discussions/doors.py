"""Posting to Discussions from Discord: the button under an answer, the entry in a message's menu.

All that these know is in their ids and the database, so a form opened before a restart still
counts after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import discord

from bot.discussing import Asked, Chat, Discusses, Poster
from bot.integrations.discord_client.answers import Answers
from bot.integrations.discord_client.discussions.forms import discuss_form, read_wish, told
from bot.integrations.discord_client.discussions.links import Behind, PostedLinks
from bot.integrations.discord_client.discussions.message_menu import (
    Chosen,
    read_chosen,
    result_id_of,
)
from bot.integrations.discord_client.discussions.offer import LABEL, is_postable
from bot.integrations.discord_client.parts import DiscordParts
from bot.integrations.discord_client.place import asker_of, is_moderator
from bot.integrations.discord_client.reply import Fate, Reply
from bot.render.discord import Shown, notice, render
from bot.render.markup import visible
from bot.results import StoredResult
from bot.view import Button
from compute.tool import Refused

FORM, CHAT, CHAT_FORM = "post", "chat", "say"  # beside "discuss", the button under an answer
SOON_S = 10.0
TOKEN_S = 13 * 60.0  # of the 15 min in which an answer can be edited
HOME_ONLY = "**Posting to Discussions works only in the community's own server.**"
OFF = "**No GitHub repository is configured here**, so there is nowhere to post."
PRIVATE = "**This answer is private:** only who asked for it can post it."
FORGOTTEN = "**I no longer have that message.** Choose it again."
OWN = "**That message of mine is no answer that could be posted.**"
EMPTY = "**There is nothing in that message to post:** no text, no file."


class Discuss:
    """One for a client."""

    def __init__(self, parts: DiscordParts, answers: Answers, client: discord.Client) -> None:
        self._parts = parts
        self._answers = answers
        self._client = client
        self._behind = Behind()
        self._links = PostedLinks(parts, answers, client, self._behind)

    @property
    def menus(self) -> Mapping[str, Callable[[Reply], Awaitable[None]]]:
        """Entries of a message's menu; none where nothing can be posted."""
        return {LABEL: self.chosen} if self._parts.discussing is not None else {}

    @property
    def loose(self) -> Mapping[str, Callable[[Reply, str], Awaitable[None]]]:
        """Buttons and forms that belong to no answer, by action; they take their token."""
        return {CHAT: self.open_chat, CHAT_FORM: self.sent_chat}

    async def resume(self) -> None:
        """From now on posted answers say so; those posted while nobody looked say so now."""
        await self._links.resume()

    async def close(self) -> None:
        """Let go of what waits; what was to be posted is kept."""
        await self._behind.close()

    async def url_of(self, result_id: str) -> str:
        """Where an answer was posted, "" where it was not."""
        discussing = self._parts.discussing
        asked = await discussing.state_of_result(result_id) if discussing is not None else None
        return asked.url if asked is not None else ""

    async def open(self, reply: Reply, row: StoredResult) -> None:
        """The button under an answer: the form, or why not."""
        discussing = await self._allowed(reply)
        if discussing is None or await self._not_postable(reply, row):
            return
        by = poster_of(reply.interaction)
        if row.private and row.user_id != by.user_id:
            await reply.answer(notice(PRIVATE), private=True)
            return
        before = await discussing.state_of_result(row.id)
        if await self._told_already(reply, before) or await self._too_many(reply, discussing):
            return
        try:
            draft = await discussing.draft_of_result(row)
        except Refused as refused:
            await reply.answer(notice(f"**{refused.message}**"), private=True)
            return
        await reply.form(discuss_form(FORM, row.id, draft))

    async def sent(self, reply: Reply, row: StoredResult) -> None:
        """The form about an answer came back."""
        discussing = await self._allowed(reply)
        if discussing is None or await self._not_postable(reply, row):
            return
        data: Any = reply.interaction.data
        by, asker = poster_of(reply.interaction), _asker_name(reply.interaction, row)
        work = discussing.post_result(row, read_wish(data), by, asker)
        await self._post(reply, discussing, work)

    async def chosen(self, reply: Reply) -> None:
        """The entry in a message's menu: an answer of ours is posted as such, else the words."""
        discussing = await self._allowed(reply)
        if discussing is None:
            return
        message = _target(reply.interaction)
        result_id = result_id_of(message, str(self._client.application_id))
        if result_id is not None:
            row = await self._answers.row(result_id) if result_id else None
            if row is None:
                await reply.answer(notice(OWN), private=True)
            else:
                await self.open(reply, row)
            return
        chosen = Chosen(reply, message, self._parts.settings.read_messages == "on")
        before = await discussing.state_of_chat(chosen.id)
        if await self._told_already(reply, before) or await self._too_many(reply, discussing):
            return
        chat = await read_chosen(chosen)
        if chat is None:
            await reply.answer(notice(EMPTY), private=True)
            return
        try:
            draft = await discussing.draft_of_chat(chat)
        except Refused as refused:
            await reply.answer(notice(f"**{refused.message}**"), private=True)
            return
        token = await discussing.keep_chat(chat)
        go_on = Button("Title and category", CHAT, style="primary")
        await reply.answer(render(draft.preview.plus(go_on), Shown(token)), private=True)

    async def open_chat(self, reply: Reply, token: str) -> None:
        """The button under a preview: the form."""
        discussing = await self._allowed(reply)
        if discussing is None:
            return
        chat = await self._kept(reply, discussing, token)
        if chat is None:
            return
        before = await discussing.state_of_chat(chat.message.id)
        if await self._told_already(reply, before):
            return
        try:
            draft = await discussing.draft_of_chat(chat)
        except Refused as refused:
            await reply.answer(notice(f"**{refused.message}**"), private=True)
            return
        await reply.form(discuss_form(CHAT_FORM, token, draft, chat))

    async def sent_chat(self, reply: Reply, token: str) -> None:
        """The form about a message came back."""
        discussing = await self._allowed(reply)
        if discussing is None:
            return
        chat = await self._kept(reply, discussing, token)
        if chat is None:
            return
        data: Any = reply.interaction.data
        work = discussing.post_chat(chat, read_wish(data), poster_of(reply.interaction))
        await self._post(reply, discussing, work)

    async def _kept(self, reply: Reply, discussing: Discusses, token: str) -> Chat | None:
        """The message kept under ``token``, chosen in this server; else they are told to choose."""
        chat = await discussing.chat_of(token)
        if chat is not None and chat.guild_id == str(reply.interaction.guild_id):
            return chat
        await reply.answer(notice(FORGOTTEN), private=True)
        return None

    async def _allowed(self, reply: Reply) -> Discusses | None:
        """Who posts, if this person may here; else they are told why not."""
        discussing, interaction = self._parts.discussing, reply.interaction
        why = ""
        if discussing is None:
            why = OFF
        elif interaction.guild_id not in self._parts.settings.home_guild_ids:
            why = HOME_ONLY
        else:
            by = poster_of(interaction)
            sentence = discussing.may(by.guild_id, by.roles, by.moderator)
            why = f"**{sentence}**" if sentence else ""
        if not why:
            return discussing
        await reply.answer(notice(why), private=True)
        return None

    async def _not_postable(self, reply: Reply, row: StoredResult) -> bool:
        command = self._parts.commands.get(row.tool)
        elsewhere = row.guild_id not in ("", str(reply.interaction.guild_id))
        if command is not None and is_postable(command) and not elsewhere:
            return False
        await reply.answer(notice(OWN), private=True)
        return True

    async def _told_already(self, reply: Reply, before: Asked | None) -> bool:
        """Whether it is posted, or on its way, and they were told so."""
        if before is None or before.state == "failed":
            return False
        await reply.answer(told(before), private=True)
        if before.state == "posting":
            self._behind.do(self._follow(reply, before.key))
        return True

    async def _too_many(self, reply: Reply, discussing: Discusses) -> bool:
        sentence = await discussing.too_many(poster_of(reply.interaction))
        if sentence:
            await reply.answer(notice(f"**{sentence}**"), private=True)
        return bool(sentence)

    async def _post(
        self, reply: Reply, discussing: Discusses, work: Coroutine[Any, Any, Asked]
    ) -> None:
        """Answer at once, post, and show the link when there is one."""
        fate = await reply.answer(told(Asked("posting")), private=True)
        if fate in (Fate.TAKEN, Fate.LATE):
            work.close()
            return
        asked = await work
        if asked.state != "posting":
            await reply.edit(told(asked))
            return
        self._behind.do(self._follow(reply, asked.key))

    async def _follow(self, reply: Reply, key: str) -> None:
        """Change the answer when the post has ended; in between say that it takes longer."""
        discussing = self._parts.discussing
        if discussing is None:
            return
        asked = await discussing.ended(key, SOON_S)
        if asked.state == "posting":
            await reply.edit(told(replace(asked, waits=asked.waits or "GitHub is slow.")))
            asked = await discussing.ended(key, TOKEN_S)
        if asked.state != "posting":
            await reply.edit(told(asked))


def poster_of(interaction: discord.Interaction[Any]) -> Poster:
    """Who posts, and what they are there."""
    guild_id = str(interaction.guild_id or "")
    return Poster(
        user_id=str(interaction.user.id),
        name=visible(interaction.user.display_name).strip() or "a member",
        guild_id=guild_id,
        roles=asker_of(interaction, private=True).roles,
        moderator=is_moderator(interaction, guild_id),
    )


def _asker_name(interaction: discord.Interaction[Any], row: StoredResult) -> str:
    """Who asked for the answer, as its message names them; "" where it does not."""
    message = interaction.message
    if message is None:
        return ""
    people: list[Any] = list(message.mentions)
    if message.interaction_metadata is not None:
        people.append(message.interaction_metadata.user)
    return next((p.display_name for p in people if str(p.id) == row.user_id), "")


def _target(interaction: discord.Interaction[Any]) -> dict[str, Any]:
    """The message that was chosen, as Discord sent it."""
    data: Any = interaction.data or {}
    messages = (data.get("resolved") or {}).get("messages") or {}
    found = messages.get(str(data.get("target_id")), {})
    return found if isinstance(found, dict) else {}
