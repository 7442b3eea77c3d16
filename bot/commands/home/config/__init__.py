"""/config: what moderators decide about their own home server."""

from __future__ import annotations

from bot.commands.home.config import edit, endpoint, exchanging, setting, show
from bot.guild_command import GuildCommand

COMMAND = GuildCommand(
    name="config",
    description="Channels, roles, categories and limits of this server.",
    who="moderators",
    subs=(
        setting.CHANNEL,
        setting.ROLE,
        setting.CATEGORY,
        setting.LIMITS,
        endpoint.ENDPOINT,
        show.SHOW,
        exchanging.EXPORT,
        exchanging.IMPORT,
    ),
    presses={
        **dict.fromkeys(show.EDITS, edit.choose),
        show.EXPORT: exchanging.export_pressed,
        show.HISTORY: show.history,
        edit.REMOVE: edit.remove,
        edit.FORGET: edit.forget,
        edit.THREAD: edit.thread,
        edit.BACK: edit.back,
        exchanging.APPLY: exchanging.apply,
        exchanging.DISCARD: exchanging.discard,
        endpoint.KEY_FORM: endpoint.keep_key,
    },
)
