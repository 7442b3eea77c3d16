"""The words between a door at which somebody posts to Discussions and whoever posts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict

from bot.results import StoredResult
from bot.view import View

Scope = Literal["message", "thread"]


def _whole(text: str) -> str:
    """``text`` without halves of surrogate pairs, which JSON may hold and no file can."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


Said = Annotated[str, AfterValidator(_whole)]


@dataclass(frozen=True, slots=True)
class Poster:
    """Who posts, and what they are in that server."""

    user_id: str
    name: str
    guild_id: str
    roles: tuple[str, ...]
    moderator: bool


class ChatMessage(BaseModel):
    """A message of people as Discord gives it; ``content`` is Discord's markdown. ``at``: Unix
    seconds. ``attachments`` are names of files: their addresses expire. ``embeds`` are titles of
    what a message shows beside its text.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    author: Said
    content: Said
    url: str
    at: float
    attachments: tuple[Said, ...] = ()
    embeds: tuple[Said, ...] = ()


class Chat(BaseModel):
    """A message that somebody wants to post, and the conversation around it.

    ``thread`` holds the whole thread, oldest first; empty where there is none or it cannot be
    read, and then ``why_not`` says why. ``left_out``: how many later messages of it are not here.
    ``users``, ``channels`` and ``roles`` are names by id, for the mentions in the texts.
    """

    model_config = ConfigDict(frozen=True)

    guild_id: str
    channel_id: str
    channel_name: Said
    message: ChatMessage
    thread: tuple[ChatMessage, ...] = ()
    thread_name: Said = ""
    left_out: int = 0
    why_not: str = ""
    users: Mapping[str, Said] = {}
    channels: Mapping[str, Said] = {}
    roles: Mapping[str, Said] = {}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form starts from; ``categories`` are those to choose from, ``category`` the first
    guess. ``preview`` shows what would be posted.
    """

    title: str
    category: str
    categories: tuple[str, ...]
    preview: View


@dataclass(frozen=True, slots=True)
class Wish:
    """A form filled in."""

    title: str
    category: str
    scope: Scope = "message"


@dataclass(frozen=True, slots=True)
class Asked:
    """How far a post is: ``refused`` and ``failed`` say why in ``sentence`` (Discord's markdown),
    ``posted`` has ``url``. ``key`` is that of its effect. ``waits`` says why it is not done yet.
    """

    state: Literal["posting", "posted", "failed", "refused"]
    key: str = ""
    url: str = ""
    number: int = 0
    sentence: str = ""
    waits: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in Discord a Discussion comes from."""

    guild_id: str
    channel_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Done:
    """A post that has ended, told to who listens; ``about`` is a result's or a message's id."""

    kind: Literal["result", "chat"]
    about: str
    asked: Asked


class Discusses(Protocol):
    """What a door asks; ``bot.integrations.discuss.service.Discussing`` answers."""

    def may(self, guild_id: str, roles: tuple[str, ...], moderator: bool) -> str:
        """Nothing to who may post there, else the sentence that says who may."""

    async def too_many(self, by: Poster) -> str:
        """Nothing while they may post one more, else when they may again."""

    async def draft_of_result(self, row: StoredResult) -> Draft:
        """What the form about a result starts from. Raises ``Refused``."""

    async def post_result(
        self, row: StoredResult, wish: Wish, by: Poster, asked_by: str = ""
    ) -> Asked:
        """Post a result, once; ``asked_by`` is the name of who asked for it, where it is known."""

    async def state_of_result(self, result_id: str) -> Asked | None:
        """How far its post is; None where nobody posted it."""

    async def keep_chat(self, chat: Chat) -> str:
        """Keep a message until its form comes back; the token (22 characters) of it."""

    async def chat_of(self, token: str) -> Chat | None:
        """The message kept under that token, None when its day is over."""

    async def draft_of_chat(self, chat: Chat) -> Draft:
        """What the form about a message starts from. Raises ``Refused``."""

    async def post_chat(self, chat: Chat, wish: Wish, by: Poster) -> Asked:
        """Post a message, or its whole thread, once."""

    async def state_of_chat(self, message_id: str) -> Asked | None:
        """How far its post is; None where nobody posted it."""

    async def ended(self, key: str, limit_s: float) -> Asked:
        """How the post of that key stands when it has ended, or after ``limit_s`` seconds."""

    def listen(self, done: Callable[[Done], None]) -> None:
        """Tell ``done`` of each post that has ended."""

    async def untold(self) -> list[Done]:
        """Posted results whose answers in Discord do not say so yet."""

    async def told(self, result_id: str) -> None:
        """Its answer says so now, or never can."""
