"""What is known of the repository: who we are, its categories and labels, what keeps us out."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.integrations.github_discussions import documents
from bot.integrations.github_discussions.client import GitHubClient
from bot.integrations.github_discussions.errors import Denied, Missing
from bot.integrations.github_discussions.holds import Scope
from bot.integrations.github_discussions.words import Node
from bot.outbox import Later, Never

log = logging.getLogger(__name__)

CATEGORY, DENIED = "category ", "denied "
LABELS_S = 600.0
BOT = "[bot]"


@dataclass(frozen=True, slots=True)
class Known:
    """What the last look found. ``categories`` by lower-case name: the name and the node id."""

    id: str = ""
    archived: bool = False
    discussions: bool = False
    permission: str = ""
    categories: dict[str, tuple[str, str]] = field(default_factory=dict)


class Repository:
    """The one repository whose Discussions are used, ``name`` as owner/name."""

    def __init__(self, client: GitHubClient, name: str) -> None:
        self.client = client
        self.name = name
        self.login = ""
        self.node_id = ""
        self.known: Known | None = None
        self._looked_at = float("-inf")
        self._labels: dict[str, tuple[str, str]] = {}
        self._labels_at = float("-inf")

    @property
    def variables(self) -> dict[str, str]:
        """Owner and name, for a document."""
        owner, _, name = self.name.partition("/")
        return {"owner": owner, "name": name}

    def is_own(self, login: str, node_id: str = "") -> bool:
        """An App is k2c-bot for GraphQL and k2c-bot[bot] for everything else; a person may have
        the first name, too, and is told apart by the node id.
        """
        if not self.login or not login:
            return False
        ours, theirs = self.login.lower(), login.lower()
        if not ours.endswith(BOT):
            return theirs == ours
        person = node_id.startswith(("U_", "MDQ6VXNlc"))
        return theirs == ours or (theirs + BOT == ours and not person)

    def wrote(self, node: Node) -> bool:
        """Whether a Discussion or comment, as GraphQL gives it, is ours."""
        author = node.get("author") or {}
        is_bot = author.get("__typename") == "Bot"
        if bool(node.get("viewerDidAuthor")):
            return True
        return is_bot == self.login.endswith(BOT) and self.is_own(str(author.get("login") or ""))

    async def look(self) -> Known:
        """Ask GitHub. Raises ``Later``, also where the repository takes no posts."""
        self._looked_at = time.monotonic()
        try:
            data = await self.client.read(documents.LOOK, self.variables, partly=True)
        except (Missing, Denied):
            data = {}
        self._learn_login(data.get("viewer") or {})
        found = data.get("repository")
        self.known = _known(found) if found else Known()
        for name in self.client.holds.named(CATEGORY):
            if name.removeprefix(CATEGORY).lower() in self.known.categories:
                self.client.holds.clear(name)
        self._check(self.known)
        return self.known

    async def ready(self) -> Known:
        """What is known, looked at anew where the last look found the repository closed."""
        self.client.holds.check("discussions")
        known = self.known
        if known is None or self._closed(known):
            known = await self.look()
        return known

    async def category_id(self, name: str) -> str:
        """The node id of that category. Raises ``Later`` where there is none."""
        known = await self.ready()
        if name.lower() not in known.categories and self._may_look():
            known = await self.look()
        found = known.categories.get(name.lower())
        if found is None:
            raise self.client.holds.name(
                CATEGORY + name,
                f"{self.name} has no Discussions category named “{name}”: make it there, or choose"
                " another one with /config category.",
            )
        return found[1]

    async def label_ids(self, names: list[str]) -> dict[str, str]:
        """Those of ``names`` that exist, as they are written there, with their node ids."""
        if time.monotonic() - self._labels_at > LABELS_S:
            try:
                self._labels = await self._read_labels()
            except (Missing, Denied) as error:
                raise Later(f"labels cannot be read: {error}", self.client.holds.hold_s) from error
            self._labels_at = time.monotonic()
        known = (self._labels.get(name.lower()) for name in names)
        return dict(one for one in known if one is not None)

    async def _read_labels(self) -> dict[str, tuple[str, str]]:
        labels: dict[str, tuple[str, str]] = {}
        after: str | None = None
        while True:
            given = {**self.variables, "after": after}
            page = (await self.client.read(documents.LABELS, given))["repository"]["labels"]
            labels |= {n["name"].lower(): (n["name"], n["id"]) for n in page["nodes"] if n}
            if not page["pageInfo"]["hasNextPage"]:
                return labels
            after = page["pageInfo"]["endCursor"]

    def forget(self) -> None:
        """Something that was known is no longer there."""
        self._labels_at = float("-inf")
        self.known = None

    async def change(
        self,
        document: str,
        given: Mapping[str, Any],
        scope: Scope,
        *,
        posts: bool = False,
        place: str = "",
    ) -> Node:
        """What a mutation answers. Raises ``Later``, ``Never`` and ``Missing`` where it was not
        done; ``place`` is the category that may be the reason of a refusal.
        """
        try:
            return await self.client.change(document, given, scope, posts=posts)
        except Denied as error:
            raise self.denied(scope, error, place) from error
        except Never:
            # In words we do not know it may say that the whole repository takes nothing.
            await self.look()
            raise

    def denied(self, scope: Scope, error: Denied, place: str = "") -> Later:
        """What to raise, and to tell the maintainers, where GitHub refuses a change; ``place``
        is the category it was for, if that may be the reason.
        """
        words = str(error).lower()
        if "archived" in words:
            return self.client.holds.hold("discussions", self._archived())
        if "discussions are disabled" in words:
            return self.client.holds.hold("discussions", self._disabled())
        if scope == "labels":
            sentence = (
                f"GitHub does not let this account set labels in {self.name}: give it the Triage"
                " role there, or the App Issues: read and write. Posts go on without labels."
            )
            return self.client.holds.hold("labels", sentence)
        sentence = (
            f"GitHub does not let this account post in {self.name} ({error}): give the token or"
            " the App Discussions: read and write; a category of the Announcement format takes"
            " the Write role."
        )
        if "not accessible" in words or "scopes" in words:
            return self.client.holds.hold("discussions", sentence)
        return self.client.holds.name(DENIED + place, sentence)

    def _may_look(self) -> bool:
        """Three looks in ten minutes at most, however much waits."""
        return time.monotonic() - self._looked_at >= self.client.holds.hold_s * 2 / 3

    def _check(self, known: Known) -> None:
        """Raise ``Later`` where it takes no posts; end what held them for that, where it does."""
        sentence = self._closed(known)
        if sentence:
            raise self.client.holds.hold("discussions", sentence)
        if self.client.holds.sentence("discussions") in self._closings():
            self.client.holds.clear("discussions")

    def _closed(self, known: Known) -> str:
        """Why it takes no posts; "" when it does."""
        if not known.id:
            return self._hidden()
        if known.archived:
            return self._archived()
        return "" if known.discussions else self._disabled()

    def _closings(self) -> tuple[str, str, str]:
        return self._hidden(), self._archived(), self._disabled()

    def _learn_login(self, viewer: Node) -> None:
        login = str(viewer.get("login") or "")
        if login and self.client.is_app and not login.endswith(BOT):
            login += BOT
        if login and login != self.login:
            log.info("GitHub knows us as %s", login)
            self.login, self.node_id = login, str(viewer.get("id") or "")

    def _hidden(self) -> str:
        return (
            f"GitHub shows no repository {self.name} to this account: check GITHUB_REPOSITORY, and"
            " give the token or the App access to it."
        )

    def _archived(self) -> str:
        return (
            f"{self.name} is archived and takes no posts: unarchive it in its Settings, or set"
            " GITHUB_REPOSITORY to another one."
        )

    def _disabled(self) -> str:
        return (
            f"Discussions are turned off in {self.name}: turn them on in its Settings, General,"
            " Features."
        )


def _known(found: dict[str, Any]) -> Known:
    nodes = (found.get("discussionCategories") or {}).get("nodes") or []
    return Known(
        str(found["id"]),
        bool(found["isArchived"]),
        bool(found["hasDiscussionsEnabled"]),
        str(found.get("viewerPermission") or ""),
        {n["name"].lower(): (str(n["name"]), str(n["id"])) for n in nodes if n},
    )
