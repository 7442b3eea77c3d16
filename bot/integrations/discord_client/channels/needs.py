"""What the bot needs in a channel for what moderators configured it for, in Discord's words."""

from __future__ import annotations

from typing import Literal

Kind = Literal["text", "announcement", "forum", "thread", "other"]

VIEW, SEND, HISTORY = "View Channel", "Send Messages", "Read Message History"
CREATE_POSTS, ATTACH = "Create Posts", "Attach Files"
START_THREADS, SEND_IN_THREADS = "Create Public Threads", "Send Messages in Threads"
MENTION = "Mention @everyone, @here, and All Roles"
CHANNEL = "the channel itself"

# Names in discord.py's permissions, and the bits of the API. Discord calls the same bit
# "Create Posts" in a forum.
ATTRIBUTES = {
    VIEW: "view_channel",
    SEND: "send_messages",
    CREATE_POSTS: "send_messages",
    HISTORY: "read_message_history",
    ATTACH: "attach_files",
    START_THREADS: "create_public_threads",
    SEND_IN_THREADS: "send_messages_in_threads",
    MENTION: "mention_everyone",
}
BITS = {
    VIEW: 1 << 10,
    SEND: 1 << 11,
    CREATE_POSTS: 1 << 11,
    ATTACH: 1 << 15,
    HISTORY: 1 << 16,
    MENTION: 1 << 17,
    START_THREADS: 1 << 35,
    SEND_IN_THREADS: 1 << 38,
}
ADMINISTRATOR = 1 << 3
# Discord's numbers of channel types; whatever else has messages is written to like text.
KINDS: dict[int, Kind] = {
    0: "text", 2: "text", 13: "text", 5: "announcement", 15: "forum", 16: "forum",
    10: "thread", 11: "thread", 12: "thread",
}  # fmt: skip


def to_post(kind: Kind) -> list[str]:
    """What one message takes in a channel of that kind. A forum's posts are edited and read in
    their threads.
    """
    match kind:
        case "forum":
            return [VIEW, CREATE_POSTS]
        case "thread":
            return [VIEW, SEND_IN_THREADS]
        case _:
            return [VIEW, SEND]


def needed(purpose: str, kind: Kind, *, thread: bool = False) -> list[str]:
    """All that a channel configured for ``purpose`` must grant.

    Read Message History is how a post of unknown fate is looked for instead of made twice.
    """
    found = to_post(kind)
    if purpose != "commands":
        found.append(HISTORY)
    if purpose in ("results", "commands"):
        found.append(ATTACH)
    if thread and kind in ("text", "announcement"):
        found += [START_THREADS, SEND_IN_THREADS]
    return found
