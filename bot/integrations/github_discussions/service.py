"""GitHub for the rest of the bot: what may be asked of it, and its senders for the outbox."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import TypeVar

from bot.integrations.github_discussions import walking
from bot.integrations.github_discussions.client import TURN_S, GitHubClient
from bot.integrations.github_discussions.comments import Comments
from bot.integrations.github_discussions.connection import TIMEOUT_S, Credentials
from bot.integrations.github_discussions.errors import Denied, Missing
from bot.integrations.github_discussions.files import Files
from bot.integrations.github_discussions.holds import HOLD_S
from bot.integrations.github_discussions.posts import Discussions, Edits, LabelSetter
from bot.integrations.github_discussions.repository import BOT, Repository
from bot.integrations.github_discussions.trees import Trees
from bot.integrations.github_discussions.turns import EVERY_S, Pace
from bot.integrations.github_discussions.words import Adopted, GitHubUnread, Node, Status, Tree
from bot.outbox import Later, Outbox
from compute.ending import end
from config.settings import Settings

log = logging.getLogger(__name__)

# A request leaves SEND_LIMIT_S after its attempt began at the latest, may take TIMEOUT_S to connect
# and is worked on for the 10 s after which GitHub gives up: 42 s.
GRACE_S = 45.0
SEND_LIMIT_S = 20.0
LOOK_EVERY_S = 600.0

T = TypeVar("T")


class GitHubService:
    """One for the process. Without credentials or a repository it is not ``configured``.

    ``timeout_s`` of a request, in whole seconds; ``hold_s``: how long a refused account or
    repository is left alone.
    """

    def __init__(
        self, settings: Settings, *, timeout_s: int = TIMEOUT_S, hold_s: float = HOLD_S
    ) -> None:
        credentials = Credentials.of(settings)
        self.configured = bool(settings.github_repository and credentials.given)
        self._client = GitHubClient(credentials, timeout_s=timeout_s, hold_s=hold_s)
        self._house = Repository(self._client, settings.github_repository)
        self._files = Files(self._client, settings.github_pictures)
        self._trees = Trees(self._client)
        self._looking: asyncio.Task[None] | None = None

    @property
    def login(self) -> str:
        """Our account as Discussions name it; "" before GitHub told it."""
        return self._house.login.removesuffix(BOT)

    @property
    def problem(self) -> str:
        """What keeps us from posting and how to repair it, as sentences; "" when all is well."""
        return self._client.holds.problem

    def status(self) -> Status:
        """For status pages."""
        client, now = self._client, time.time()
        left, limit, reset_at = client.rate
        quiet_s = client.holds.quiet_s
        return Status(
            repository=self._house.name,
            login=self.login,
            problem=self.problem,
            waiting=client.waiting,
            last_error=client.last_error,
            last_error_at=client.last_error_at,
            rate_left=left,
            rate_limit=limit,
            rate_reset_at=float(reset_at),
            quiet_until=now + quiet_s if quiet_s else 0.0,
        )

    def categories(self) -> list[str]:
        """The names of the Discussions categories, from memory; empty before they are known."""
        known = self._house.known
        return [name for name, _ in known.categories.values()] if known else []

    def is_own(self, author_login: str, node_id: str = "") -> bool:
        """Whether that account (as GraphQL, REST or a webhook names it) is ours."""
        return self._house.is_own(author_login, node_id)

    def register(
        self, outbox: Outbox, *, grace_s: float = GRACE_S, every_s: float = EVERY_S
    ) -> None:
        """Take all effects of the five kinds; changes are ``every_s`` seconds apart, all kinds
        together.
        """
        self._client.pace = Pace(every_s)
        self._client.turn_s = TURN_S * grace_s / GRACE_S
        limit_s = SEND_LIMIT_S * grace_s / GRACE_S
        for kind, sender in (
            ("github.discussion", Discussions(self._house)),
            ("github.edit", Edits(self._house)),
            ("github.label", LabelSetter(self._house)),
            ("github.comment", Comments(self._house)),
            ("github.file", self._files),
        ):
            outbox.register(kind, sender, every_s=every_s, send_limit_s=limit_s, grace_s=grace_s)

    async def start(self) -> None:
        """Begin to look at the repository, now and every 10 minutes. Waits for nothing."""
        if self.configured and self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking(), name="github-look")

    async def close(self) -> None:
        """End; a request that is under way is waited for at most 2 s."""
        if self._looking is not None:
            await end(self._looking)
        await self._client.close()

    async def look(self) -> None:
        """Look at the repository now. Raises ``GitHubUnread`` with what is wrong."""
        await _told(self._house.look())

    async def adopt(self) -> list[Adopted]:
        """All Discussions and comments of ours with a marker. Raises ``GitHubUnread``."""
        if not self._house.login:
            await self.look()
        return await _told(walking.own_posts(self._house))

    async def discussions_since(self, instant: float) -> list[Node]:
        """Discussions changed at ``instant`` (Unix seconds) or later, the last changed first, as
        GraphQL gives them: with author, category, answer, comments.totalCount and the newest
        comment in comments.nodes. Raises ``GitHubUnread``.
        """

        async def walk() -> list[Node]:
            return [node async for node in walking.changed_since(self._house, instant)]

        return await _told(walk())

    async def comments_of(self, discussion_id: str) -> list[Node]:
        """All its comments and their replies (``replyTo`` set), each comment before its replies.
        Raises ``GitHubUnread``.
        """
        return await _told(walking.comments_of(self._client, discussion_id))

    async def tree(self, repo: str, branch: str, path: str, etag: str) -> Tree:
        """The files under ``path``, or that nothing changed since ``etag``. Raises
        ``GitHubUnread``.
        """
        return await self._trees.tree(repo, branch, path, etag)

    async def blob(self, repo: str, sha: str) -> bytes:
        """The content of one file. Raises ``GitHubUnread``."""
        return await self._trees.blob(repo, sha)

    async def _keep_looking(self) -> None:
        every_s = LOOK_EVERY_S * self._client.holds.hold_s / HOLD_S
        while True:
            before = self.problem
            pause_s = every_s
            try:
                await self._house.look()
            except Later as later:
                pause_s = min(max(later.after_s, every_s / 20), every_s)
                if self.problem != before or not self.problem:
                    log.warning("GitHub: %s", later)
            except Exception:
                log.exception("GitHub could not be looked at")
            await asyncio.sleep(pause_s)


async def _told(asked: Awaitable[T]) -> T:
    """What was asked for, or why it cannot be told."""
    try:
        return await asked
    except (Later, Denied, Missing) as error:
        raise GitHubUnread(f"GitHub cannot be read now: {error}") from error
