"""Answers of the tools and conversations as Discussions: what is posted, by whom, and where."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.command import Command
from bot.discussing import Asked, Chat, Draft, Origin, Poster, Wish
from bot.integrations.discuss import ledger
from bot.integrations.discuss.chat_body import chat_body, chat_preview, chat_title
from bot.integrations.discuss.ledger import Post
from bot.integrations.discuss.pictures import Charts, PictureStore
from bot.integrations.discuss.posts import CHAT, RESULT, Posts, Rights
from bot.integrations.discuss.result_body import Telling, answer_view, result_body, title_of
from bot.outbox import Outbox
from bot.render.github import github_title
from bot.results import Results, StoredResult, new_result_id
from bot.runner import Outcome, restore
from bot.store import Store
from compute.tool import Refused
from config.settings import Settings

FAVOURITES = ("show and tell", "show-and-tell", "general", "q&a")
NO_CATEGORIES = (
    "I do not know the repository's categories yet: GitHub has not answered. Try again in a minute."
)
GONE = "This answer is no longer kept, so there is nothing to post."
UNFINISHED = "Only a finished answer can be posted."
NOT_YOURS = "This answer is private: only who asked for it can post it."
NO_TITLE = "A Discussion needs a title."


class Discussing(Posts):
    """One for the process; ``run`` while it lives. ``categories`` gives the repository's
    categories from memory; ``clock`` Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        community: Rights,
        commands: Mapping[str, Command],
        results: Results,
        charts: Charts,
        settings: Settings,
        categories: Callable[[], list[str]],
        clock: Callable[[], float] = time.time,
        known: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(store, outbox, community, clock, known)
        self._commands = commands
        self._results = results
        self._pictures = PictureStore(settings, charts)
        self._public_url = settings.public_url
        self._categories = categories

    def may(self, guild_id: str, roles: tuple[str, ...], moderator: bool) -> str:
        """Nothing to who may post there, else the sentence that says who may."""
        if moderator or self._community.may("post-results", guild_id, roles):
            return ""
        given = sorted(self._community.roles("post-results", guild_id))
        who = " or ".join(f"<@&{role}>" for role in given)
        if not who:
            return (
                "Only moderators can post to Discussions here: no role has that right yet. "
                "They give it with `/config role purpose:post-results`."
            )
        return f"Posting to Discussions is for {who} and moderators."

    async def draft_of_result(self, row: StoredResult) -> Draft:
        """What the form about a result starts from. Raises ``Refused``."""
        command, outcome = self._finished(row)
        names = self._known_categories()
        view = await asyncio.to_thread(answer_view, command, outcome, self._public_url)
        return Draft(title_of(command, view), self._favourite(names), tuple(names), view)

    async def post_result(
        self, row: StoredResult, wish: Wish, by: Poster, asked_by: str = ""
    ) -> Asked:
        """Post a result, once; ``asked_by`` is the name of who asked for it, where it is known."""
        key = RESULT.format(row.id)
        refused = self._refused(wish, by)
        if refused is not None:
            return refused
        if row.private and row.user_id != by.user_id:
            return Asked("refused", key, sentence=NOT_YOURS)
        if await self._results.get(row.id) is None:
            return Asked("refused", key, sentence=GONE)
        try:
            command, outcome = self._finished(row)
        except Refused as error:
            return Asked("refused", key, sentence=error.message)
        view = await asyncio.to_thread(answer_view, command, outcome, self._public_url)
        pictures = await self._pictures.of(row.id, view.charts())
        telling = Telling(
            posted_by=by.name,
            asked_by=by.name if row.user_id == by.user_id else asked_by,
            at=row.created_at,
            page=f"{self._public_url}/r/{row.id}" if self._public_url else "",
            version=_version(),
            pictures=pictures.addresses,
            base_url=self._public_url,
        )
        body = await asyncio.to_thread(result_body, command, outcome, telling)
        seen = not row.private
        post = self._post(key, wish, by, ("result", row.id), Origin(
            row.guild_id, row.channel_id if seen else "", row.message_id if seen else ""
        ))  # fmt: skip
        post = replace(post, asked_by=telling.asked_by)
        return await self._enqueue(post, by, body, pictures.files)

    async def state_of_result(self, result_id: str) -> Asked | None:
        """How far its post is; None where nobody posted it."""
        return await self._state_of(RESULT.format(result_id))

    async def keep_chat(self, chat: Chat) -> str:
        """Keep a message until its form comes back; the token (22 characters) of it."""
        token, now = new_result_id(), self._clock()
        text = chat.model_dump_json()
        await self._store.write(lambda db: ledger.keep_draft(db, token, text, now))
        return token

    async def chat_of(self, token: str) -> Chat | None:
        """The message kept under that token, None when its day is over."""
        now = self._clock()
        text = await self._store.read(lambda db: ledger.draft_of(db, token, now))
        return Chat.model_validate_json(text) if text is not None else None

    async def draft_of_chat(self, chat: Chat) -> Draft:
        """What the form about a message starts from. Raises ``Refused``."""
        names = self._known_categories()
        return Draft(chat_title(chat), self._favourite(names), tuple(names), chat_preview(chat))

    async def post_chat(self, chat: Chat, wish: Wish, by: Poster) -> Asked:
        """Post a message, or its whole thread, once."""
        refused = self._refused(wish, by)
        if refused is not None:
            return refused
        key = CHAT.format(chat.message.id)
        body = await asyncio.to_thread(chat_body, chat, wish.scope, by.name)
        place = Origin(chat.guild_id, chat.channel_id, chat.message.id)
        return await self._enqueue(self._post(key, wish, by, ("chat", place.message_id), place),
                                   by, body)  # fmt: skip

    async def state_of_chat(self, message_id: str) -> Asked | None:
        """How far its post is; None where nobody posted it."""
        return await self._state_of(CHAT.format(message_id))

    def _refused(self, wish: Wish, by: Poster) -> Asked | None:
        """A form can be crafted, and rights change while it is open."""
        sentence = self.may(by.guild_id, by.roles, by.moderator)
        names = self._categories()
        if not sentence and not github_title(wish.title).strip():
            sentence = NO_TITLE
        if not sentence and names and wish.category not in names:
            sentence = "The repository has no such category any more. Open the form again."
        return Asked("refused", sentence=sentence) if sentence else None

    def _finished(self, row: StoredResult) -> tuple[Command, Outcome]:
        command = self._commands.get(row.tool)
        if command is None:
            raise Refused(GONE)
        outcome = restore(command.tool, row)
        if outcome.result is None or outcome.refusal is not None:
            raise Refused(UNFINISHED)
        return command, outcome

    def _known_categories(self) -> list[str]:
        names = self._categories() or [self._community.category(None)]
        if not any(names):
            raise Refused(NO_CATEGORIES)
        return names

    def _favourite(self, names: list[str]) -> str:
        """What moderators set for all topics, else what such posts are usually put under."""
        wanted = (self._community.category(None).casefold(), *FAVOURITES)
        by_name = {name.casefold(): name for name in names}
        return next((by_name[word] for word in wanted if word in by_name), names[0])

    def _post(
        self, key: str, wish: Wish, by: Poster, what: tuple[ledger.Kind, str], place: Origin
    ) -> Post:
        return Post(
            key, what[0], what[1], place.guild_id, place.channel_id, place.message_id,
            by.user_id, by.name, github_title(wish.title), wish.category, self._clock(),
        )  # fmt: skip


def _version() -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("kernels-to-clusters")
    return ""
