"""GitHub for the rest of the bot: what may be asked of it, and its senders for the outbox."""

from __future__ import annotations

from collections.abc import Callable

from bot.integrations.github_discussions.words import Adopted, Node, Status, Tree
from bot.outbox import Outbox
from config.settings import Settings

GRACE_S = 45.0
EVERY_S = 1.0


class GitHubService:
    """One for the process. Without credentials or a repository it is not ``configured``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def configured(self) -> bool:
        """Whether there are credentials and a repository."""
        given = self._settings
        app = given.github_app_id and given.github_installation_id
        return bool(given.github_repository and (given.github_token or app))

    @property
    def login(self) -> str:
        """Our account as Discussions name it; "" before GitHub told it."""
        raise NotImplementedError

    @property
    def problem(self) -> str:
        """What keeps us from posting and how to repair it, as a sentence; "" when all is well."""
        raise NotImplementedError

    def status(self) -> Status:
        """For status pages."""
        raise NotImplementedError

    def categories(self) -> list[str]:
        """The names of the Discussions categories, from memory; empty before they are known."""
        raise NotImplementedError

    def is_own(self, author_login: str, node_id: str = "") -> bool:
        """Whether that account (as GraphQL, REST or a webhook names it) is ours."""
        raise NotImplementedError

    def register(
        self, outbox: Outbox, *, grace_s: float = GRACE_S, every_s: float = EVERY_S
    ) -> None:
        """Take all effects of the five kinds; changes are ``every_s`` seconds apart, all kinds
        together.
        """
        raise NotImplementedError

    async def start(self) -> None:
        """Begin to look at the repository, now and every 10 minutes. Waits for nothing."""
        raise NotImplementedError

    async def close(self) -> None:
        """End; a request that is under way is not waited for."""
        raise NotImplementedError

    async def adopt(self, on_page: Callable[[int], object] = lambda done: None) -> list[Adopted]:
        """All Discussions and comments of ours with a marker. Raises ``GitHubUnread``."""
        raise NotImplementedError

    async def discussions_since(self, instant: float) -> list[Node]:
        """Discussions changed at ``instant`` (Unix seconds) or later, the last changed first, as
        GraphQL gives them: with author, category, answer, comments.totalCount and the newest
        comment in comments.nodes. Raises ``GitHubUnread``.
        """
        raise NotImplementedError

    async def comments_of(self, discussion_id: str) -> list[Node]:
        """All its comments and their replies (``replyTo`` set), oldest first."""
        raise NotImplementedError

    async def tree(self, repo: str, branch: str, path: str, etag: str) -> Tree:
        """The files under ``path``, or that nothing changed since ``etag``."""
        raise NotImplementedError

    async def blob(self, repo: str, sha: str) -> bytes:
        """The content of one file."""
        raise NotImplementedError
