"""The form that posts to Discussions, and the words around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import discord

from bot.discussing import Asked, Chat, Draft, Scope, Wish
from bot.integrations.discord_client.modal import Form
from bot.render.discord import Message, Shown, custom_id, notice, render
from bot.render.markup import escaped, visible
from bot.view import Bold, Heading, Link, Text, View

MAX_ENTRIES = 25  # what Discord lists in one menu
MAX_ENTRY = 100
MAX_TITLE = 256  # of a Discussion
TITLE, CATEGORY, SCOPE = "title", "category", "scope"
POSTING = "**Posting to Discussions\u2026** The link comes here."
KEPT = (
    "**GitHub has not taken it yet.** It is kept and will be posted as soon as GitHub takes it; "
    "there is nothing more to do."
)


def discuss_form(action: str, token: str, draft: Draft, chat: Chat | None = None) -> Form:
    """Title and category, and for a thread whether all of it."""
    form = Form(title="Post to Discussions", custom_id=custom_id(action, token))
    title: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=TITLE, default=visible(draft.title)[:MAX_TITLE] or None, max_length=MAX_TITLE
    )
    form.add_item(discord.ui.Label(text="Title", component=title))
    names = _listed(draft)
    category: discord.ui.Select[Any] = discord.ui.Select(
        custom_id=CATEGORY,
        options=[
            discord.SelectOption(label=name, value=name, default=name == draft.category)
            for name in names
        ],
    )
    form.add_item(discord.ui.Label(text="Category", component=category))
    if chat is not None and chat.thread:
        form.add_item(_scope(chat))
    return form


def read_wish(data: Mapping[str, Any]) -> Wish:
    """What a sent form says, whatever else is in it."""
    given = dict(_given(data.get("components")))
    scope: Scope = "thread" if given.get(SCOPE) == "thread" else "message"
    return Wish(given.get(TITLE, ""), given.get(CATEGORY, ""), scope)


def told(asked: Asked) -> Message:
    """How far a post is, for who asked for it."""
    if asked.state == "posted":
        return posted(asked.url)
    if asked.state == "posting":
        why = f"\n-# {escaped(asked.waits[:300])}" if asked.waits else ""
        return notice(KEPT + why if asked.waits else POSTING, "notice")
    if asked.state == "failed":
        return notice(f"**It was not posted.** {escaped(asked.sentence[:600])}")
    return notice(f"**It was not posted.** {asked.sentence}")


def posted(url: str) -> Message:
    """The link."""
    view = View(
        (
            Heading((Bold("It is in Discussions."),)),
            Text(("Everyone can read and answer it there.",)),
            Link("Open the Discussion", url),
        ),
        "notice",
    )
    return render(view, Shown())


def _listed(draft: Draft) -> list[str]:
    """The categories that fit a menu, the likely one among them."""
    names = [name for name in draft.categories if 0 < len(name) <= MAX_ENTRY]
    first = [draft.category] if draft.category in names else []
    return list(dict.fromkeys([*first, *names]))[:MAX_ENTRIES]


def _scope(chat: Chat) -> discord.ui.Label[Any]:
    options = [
        discord.SelectOption(label="This message", value="message", default=True),
        discord.SelectOption(
            label=f"The whole thread ({len(chat.thread):,} messages)", value="thread"
        ),
    ]
    menu: discord.ui.Select[Any] = discord.ui.Select(custom_id=SCOPE, options=options)
    return discord.ui.Label(text="What to post", component=menu)


def _given(components: object) -> Iterator[tuple[str, str]]:
    """(id, text or first choice) of every field, however Discord nests them."""
    for component in components if isinstance(components, list) else []:
        if not isinstance(component, dict):
            continue
        name, value = component.get("custom_id"), component.get("value")
        values = component.get("values")
        if value is None and isinstance(values, list) and values:
            value = values[0]
        if isinstance(name, str) and isinstance(value, str):
            yield name, value.strip()
        yield from _given(component.get("components"))
        yield from _given([component.get("component")])
