"""Commands of the home servers alone: moderators' settings and maintainers' announcements.

They are not tools: they change what the bot does, know who asks, and have Discord's own pickers.
What they say is a View like every answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bot.command import Choice, Suggest
from bot.view import View
from content.library import Library

if TYPE_CHECKING:
    from bot.community.service import CommunityBook

Kind = Literal["text", "integer", "boolean", "channel", "role", "attachment"]
Who = Literal["moderators", "maintainers"]


@dataclass(frozen=True, slots=True)
class Picked:
    """A channel or role as Discord names it; ``kind`` is the channel's type in Discord's words."""

    id: str
    name: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file given with the command, read (at most 1 MiB)."""

    name: str
    content: bytes


Value = str | int | bool | Picked | Uploaded


@dataclass(frozen=True, slots=True)
class GuildOption:
    """One option; ``suggest`` answers from memory while it is typed."""

    name: str
    description: str
    kind: Kind
    required: bool = True
    choices: tuple[Choice, ...] = ()
    suggest: Callable[[GuildHouse, str], list[Choice]] | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who uses it: ``moderator`` has Manage Server there, ``maintainer`` holds the role for it
    or is a moderator.
    """

    guild_id: str
    guild_name: str
    channel_id: str
    user_id: str
    user_name: str
    roles: tuple[str, ...]
    moderator: bool
    maintainer: bool


@dataclass(frozen=True, slots=True)
class FormField:
    """A line to be filled in; ``secret`` is never shown again."""

    name: str
    label: str
    value: str = ""
    long: bool = False
    required: bool = True
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """Opens instead of an answer; sent, it comes back as the press ``action`` with its values."""

    title: str
    action: str
    argument: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True, slots=True)
class Menu:
    """A list to choose one of (at most 25): it comes back as the press ``action`` with the chosen
    value as its argument.
    """

    placeholder: str
    action: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer for the caller alone. Its buttons' actions are keys of ``GuildCommand.presses``;
    ``token`` (22 characters) is what they are about. ``form`` opens instead. ``previews`` are
    further messages shown below it. ``files`` go with it (name, content). ``in_place``: after a
    press, in place of the message with the button.
    """

    view: View
    token: str = "0" * 22
    form: Form | None = None
    previews: tuple[View, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    menus: tuple[Menu, ...] = ()
    in_place: bool = False


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press on a button, a choice of a menu, or a sent form with what was filled in."""

    action: str
    token: str
    argument: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


Run = Callable[["GuildHouse", Caller, Mapping[str, Value]], Awaitable[Said]]
Press = Callable[["GuildHouse", Caller, Pressed], Awaitable[Said]]


@dataclass(frozen=True, slots=True)
class Subcommand:
    """``/config channel``: its options and what it does. Raises ``Refused`` with a sentence."""

    name: str
    description: str
    options: tuple[GuildOption, ...]
    run: Run


@dataclass(frozen=True, slots=True)
class GuildCommand:
    """A file of bot/commands/home holds one as ``COMMAND``. With ``subs`` it has no ``run``."""

    name: str
    description: str
    who: Who
    subs: tuple[Subcommand, ...] = ()
    options: tuple[GuildOption, ...] = ()
    run: Run | None = None
    presses: Mapping[str, Press] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """An announcement exactly as it will appear: the Discussion and the Discord messages."""

    title: str
    discussion: View
    message: View
    said: str  # where it stands: "not announced yet", "announced 2 h ago", ...
    can_publish: bool
    can_skip: bool
    channels: tuple[tuple[str, str, str], ...] = ()  # guild, channel, role that is mentioned
    links: tuple[tuple[str, str], ...] = ()  # where it stands: name, address
    labels: tuple[str, ...] = ()  # of the Discussion, those of them that exist


class Announcing(Protocol):
    """What /announce asks; ``bot.integrations.announcing.service.Announcer`` answers."""

    def waiting(self) -> list[Choice]:
        """Articles that could be announced, as suggestions (title, short key), newest first."""

    def others(self) -> list[Choice]:
        """Those that are announced, withdrawn or drafts, newest first, with that word."""

    async def preview(self, short_key: str) -> Preview:
        """Both renderings. Raises ``Refused`` for an article that is not known."""

    async def publish(self, short_key: str, by: str) -> str:
        """Announce it now; a sentence. Raises ``Refused``."""

    async def skip(self, short_key: str, by: str) -> str:
        """Never announce it; a sentence. Raises ``Refused``."""


class Places(Protocol):
    """What the connection to Discord knows of a server now."""

    def lacking(self, channel_id: str, purpose: str, *, thread: bool = False) -> list[str]:
        """The permissions that the bot lacks there for that purpose, in Discord's words; a
        channel that is not there lacks "the channel itself".
        """

    def name_of(self, guild_id: str, id: str) -> str:
        """A channel's or role's name; "" when it is not known."""


@dataclass(frozen=True, slots=True)
class GuildHouse:
    """What these commands may use."""

    community: CommunityBook
    library: Library
    places: Places
    announcing: Announcing | None = None
    categories: Callable[[], list[str]] = list  # the Discussions categories that are known
    waiting_in: Callable[[str], Awaitable[int]] | None = None  # posts waiting for a channel
    more: Mapping[str, Any] = field(default_factory=dict)


__all__ = [
    "Announcing", "Caller", "Choice", "Form", "FormField", "GuildCommand", "GuildHouse",
    "GuildOption", "Menu", "Picked", "Places", "Pressed", "Preview", "Said", "Subcommand",
    "Suggest", "Uploaded", "Value",
]  # fmt: skip
