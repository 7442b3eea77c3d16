"""What was said in chat as a Discussion: who said it, when and where, and who brought it here."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bot.discussing import Chat, ChatMessage, Scope
from bot.integrations.discuss.fit import fitted
from bot.render.chat import Names, github_chat, github_quote, plain_chat
from bot.render.github import github_code, github_line, github_link
from bot.render.markup import visible
from bot.view import Block, Bold, Heading, Note, Text, View

TITLE = 100  # characters of a suggested title
SHOWN = 700  # characters of each message in a preview
SHOWN_MESSAGES = 3
NOT_ALL = "*The rest of the conversation is in Discord.*"
EMPTY = "*(no text)*"


def chat_title(chat: Chat) -> str:
    """The thread's name, else the first line of what was said."""
    if chat.thread_name:
        return visible(chat.thread_name)[:TITLE]
    words = plain_chat(chat.message.content, _names(chat))
    lines = (line.strip(" #>*-") for line in words.splitlines())
    first = next((line for line in lines if line), f"From #{chat.channel_name}")
    return first if len(first) <= TITLE else f"{first[: TITLE - 1].rstrip()}…"


def chat_body(chat: Chat, scope: Scope, posted_by: str) -> str:
    """The Discussion's text. Each message is quoted, so that nothing in it reaches beyond it."""
    messages = chat.thread if scope == "thread" and chat.thread else (chat.message,)
    names = _names(chat)
    blocks = [part for message in messages for part in _said(message, names)]
    if scope == "thread" and chat.left_out:
        blocks.append(f"*{chat.left_out:,} later messages are in Discord.*")
    return fitted(blocks, [_credits(chat, scope, posted_by)], NOT_ALL)


def chat_preview(chat: Chat) -> View:
    """What would be posted, for the person who chose it."""
    message = chat.message
    where = f" in #{chat.channel_name}" if chat.channel_name else ""
    blocks: list[Block] = [
        Heading((Bold("Post this to Discussions?"),)),
        Text((Bold(message.author), f"{where}, {_when(message.at)}:")),
        Text((_shown(message, _names(chat)),)),
    ]
    blocks += [Note((f"Attached: {', '.join(message.attachments)} (named, not copied)",))] * bool(
        message.attachments
    )
    if chat.thread:
        others = f"Or the whole thread: {len(chat.thread):,} messages, by {_people(chat)}."
        later = f" {chat.left_out:,} later ones stay here." if chat.left_out else ""
        blocks.append(Text((others + later,)))
    elif chat.why_not:
        blocks.append(Note((chat.why_not,)))
    said = "Formatting is kept, mentions become names and call nobody, and you are named as the "
    blocks.append(Note((f"{said}one who posted it. The Discussion links back here.",)))
    return View(tuple(blocks), "notice")


def _said(message: ChatMessage, names: Names) -> Iterator[str]:
    who = f"**{github_line(message.author) or 'someone'}**"
    yield f"{who} · {github_link(_when(message.at), message.url)}"
    parts = [github_chat(message.content, names)]
    parts += [f"*Shows:* {github_line(title)}" for title in message.embeds]
    if message.attachments:
        files = ", ".join(github_code(name) for name in message.attachments)
        parts.append(f"*Attached in Discord:* {files}")
    text = "\n\n".join(part for part in parts if part.strip())
    yield github_quote(text or EMPTY)


def _credits(chat: Chat, scope: Scope, posted_by: str) -> str:
    place = chat.channel_name and f"#\u200b{github_line(chat.channel_name)}"
    words = f"From {place or 'a conversation'} in Discord"
    again = github_link("go on there", chat.message.url)
    whole = "the whole thread, " if scope == "thread" and chat.thread else ""
    by = github_line(posted_by) or "a member"
    return f"<sub>{words}, {whole}posted by **{by}** · {again}, or answer here.</sub>"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _names(chat: Chat) -> Names:
    return Names(chat.users, chat.channels, chat.roles)


def _shown(message: ChatMessage, names: Names) -> str:
    text = plain_chat(message.content, names).strip() or "(no text)"
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rstrip()} …"


def _people(chat: Chat) -> str:
    names = list(dict.fromkeys(message.author for message in chat.thread))
    more = len(names) - SHOWN_MESSAGES
    return ", ".join(names[:SHOWN_MESSAGES]) + (f" and {more} more" if more > 0 else "")
