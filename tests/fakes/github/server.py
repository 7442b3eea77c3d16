"""The fake GitHub itself: one repository on loopback, its API and the people who use its site."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Literal, TypeVar

from aiohttp import web

from tests.fakes.github import control, hooks, site
from tests.fakes.github.app import App
from tests.fakes.github.calls import Call, Violation
from tests.fakes.github.errors import Json
from tests.fakes.github.faults import Faults, Hold, matches
from tests.fakes.github.files import Files
from tests.fakes.github.limits import Limits
from tests.fakes.github.pipeline import Pipeline
from tests.fakes.github.subscription import Subscription
from tests.fakes.github.world import (
    LABELS,
    PERMISSIONS,
    Category,
    Comment,
    Discussion,
    default_categories,
    make_category,
    utc_now,
)

MAX_REQUEST_BYTES = 100 * 2**20
LOOK_AGAIN_S = 0.02  # for a client that goes away, which wakes nobody here
T = TypeVar("T", Discussion, Comment)


class FakeGitHub:
    """Start with ``async with``. What a test may read or change:

    ``token`` and ``login`` (a personal token and its owner), ``app`` (App authentication),
    ``discussions``, ``categories``, ``labels``, ``branches`` and ``files``; ``faults`` and
    ``hold`` to break things; ``search_lag_s`` and ``list_lag_s``; ``discussions_enabled``,
    ``archived``, ``private``, ``hidden`` (as if it did not exist) and ``permissions``; ``limits``.
    ``calls`` and ``mutations`` tell what was sent, ``violations`` must be empty at the end.
    """

    def __init__(
        self, *, repository: str = "mlsystems/site", token: str = "ghp_fake", port: int = 0,
        hang_s: float = 30.0,
    ) -> None:  # fmt: skip
        self.repository: str = repository
        self.token: str = token
        self.login: str = "k2c-bot"
        self.repository_id: str = "R_kgDOfake1"
        self.default_branch: str = "main"
        self.app = App()
        self.limits = Limits()
        self.faults = Faults()
        self.holds: list[Hold] = []
        self.categories: list[Category] = default_categories()
        self.discussions: list[Discussion] = []
        self.labels: list[str] = list(LABELS)
        self.store = Files({self.default_branch: {"README.md": b"# site\n"}})
        self.permissions: dict[str, str] = dict(PERMISSIONS)
        self.discussions_enabled: bool = True
        self.archived: bool = False
        self.private: bool = False
        self.hidden: bool = False
        self.search_lag_s: float = 0.0
        self.list_lag_s: float = 0.0
        self.hang_s = hang_s
        self.tree_limit = 100_000
        self.now: Callable[[], datetime] = utc_now
        self.calls: list[Call] = []
        self.violations: list[Violation] = []
        self.most_in_flight_mutations = 0
        self._numbers, self._comment_numbers = itertools.count(1), itertools.count(9_000_001)
        self._port = port
        self._closing = asyncio.Event()
        self._waiters: list[asyncio.Event] = []
        self.webhook: Subscription | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeGitHub:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        control.add_routes(app, self)
        site.add_routes(app, self)
        app.router.add_route("*", "/{path:.*}", Pipeline(self).serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        listener = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await listener.start()
        self._port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        for hold in self.holds:
            hold.drop()
        if self.webhook is not None:
            await self.webhook.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api_base(self) -> str:
        """What GITHUB_API_BASE is set to; with /api/v3 it is a GitHub Enterprise Server."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def html_url(self) -> str:
        """The repository's page."""
        return f"{self.api_base}/{self.repository}"

    @property
    def branches(self) -> dict[str, dict[str, bytes]]:
        """All branches: name -> path -> content."""
        return self.store.branches

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the default branch."""
        return self.store.branches[self.default_branch]

    @property
    def mutations(self) -> list[Call]:
        """The GraphQL mutations among the calls."""
        return [call for call in self.calls if call.kind == "mutation"]

    @property
    def gaps_s(self) -> list[float]:
        """Seconds from the start of each change (mutation or written file) to the next one's."""
        at = [call.at for call in self.calls if call.changes]
        return [late - early for early, late in itertools.pairwise(at)]

    @property
    def documents(self) -> set[str]:
        """Every GraphQL document that was sent."""
        return {call.document for call in self.calls if call.document}

    def category(self, name: str) -> Category:
        """Return the category called ``name``."""
        return next(c for c in self.categories if c.name == name)

    def add_category(self, name: str, *, answerable: bool = False) -> Category:
        """Make a category, as a maintainer would on the site."""
        made = make_category(name, 300 + next(self._numbers), answerable=answerable)
        self.categories.append(made)
        return made

    def add_discussion(
        self, *, title: str, body: str, category: str = "General", author: str = "alice",
        comments: Sequence[str] = (), labels: Sequence[str] = (), by_app: bool = False,
    ) -> Discussion:  # fmt: skip
        """Start a discussion, as somebody would on the site; each of ``comments`` is by bob."""
        number = next(self._numbers)
        made = Discussion(
            f"D_kwDOfake{number}", number, title, body, author, self.category(category),
            f"{self.html_url}/discussions/{number}", self.now(), self.now(), list(labels),
            by_app=by_app,
        )  # fmt: skip
        self.discussions.append(made)
        self.emit("discussion.created", made)
        for text in comments:
            self.comment(made, text, "bob")
        return made

    def comment(
        self, discussion: Discussion, body: str, author: str = "alice",
        reply_to: Comment | None = None, *, by_app: bool = False,
    ) -> Comment:  # fmt: skip
        """Add a comment, or a reply to one."""
        number = next(self._comment_numbers)
        made = Comment(
            f"DC_kwDOfake{number}", body, author, [], False,
            f"{discussion.url}#discussioncomment-{number}", number, self.now(), self.now(),
            discussion, reply_to, by_app,
        )  # fmt: skip
        (discussion.comments if reply_to is None else reply_to.replies).append(made)
        discussion.updated_at = self.now()
        self.emit("discussion_comment.created", discussion, comment=made)
        return made

    def mark_answer(self, discussion: Discussion, comment: Comment, by: str = "alice") -> None:
        """Choose the answer."""
        for one in discussion.all_comments():
            one.is_answer = one is comment
        discussion.answer_chosen_at, discussion.answer_chosen_by = self.now(), by
        discussion.updated_at = self.now()
        self.emit("discussion.answered", discussion, comment=comment, sender=by)

    def listed(self, items: Sequence[T]) -> list[T]:
        """Return what lists show already."""
        latest = time.monotonic() - self.list_lag_s
        return [item for item in items if item.made_s <= latest]

    def hold(self, name: str, when: Literal["before", "after"] = "before") -> Hold:
        """Stop the next call that fits ``name``, just before or after its change is made."""
        hold = Hold(name, when)
        self.holds.append(hold)
        return hold

    def take_hold(self, call: Call, when: str) -> Hold | None:
        """Return the hold that this call meets; each holds one call."""
        for hold in self.holds:
            if hold.call is None and hold.when == when and matches(hold.name, call):
                return hold
        return None

    def send_webhooks(self, url: str, secret: str) -> Subscription:
        """From now on deliver every change to ``url``; ``webhook.deliveries`` lists them."""
        self.webhook = Subscription(url, secret)
        return self.webhook

    def emit(
        self, name: str, discussion: Discussion, *, comment: Comment | None = None,
        sender: str | None = None, label: str | None = None, changes: Json | None = None,
    ) -> None:  # fmt: skip
        """Deliver a change where somebody listens."""
        if self.webhook is not None:
            payload = self.event(name, discussion, comment=comment, sender=sender, label=label,
                                 changes=changes)  # fmt: skip
            self.webhook.emit(name, payload)

    def event(
        self, name: str, discussion: Discussion | None = None, *, comment: Comment | None = None,
        sender: str | None = None, label: str | None = None,
        changes: Json | None = None,
    ) -> Json:  # fmt: skip
        """Return the payload of ``discussion.created`` and the like; see ``hooks.event``."""
        return hooks.event(
            self, name, discussion, comment=comment, sender=sender,
            label=label, changes=changes,
        )  # fmt: skip

    async def deliver(
        self, url: str, *, event: str, action: str | None = None, payload: Json | None = None,
        secret: str, guid: str | None = None, tamper: hooks.Tamper | None = None,
        form: bool = False,
    ) -> int:  # fmt: skip
        """Send a signed webhook and return the status; see ``hooks.deliver``."""
        return await hooks.deliver(
            url, event=event, secret=secret, action=action, payload=payload, guid=guid,
            tamper=tamper, form=form,
        )  # fmt: skip

    async def wait_until_gone(self, request: web.Request) -> None:
        """Hang for ``hang_s``, shorter if the client gives up or the fake closes."""
        ends = time.monotonic() + self.hang_s
        while time.monotonic() < ends and not self._closing.is_set():
            if request.transport is None or request.transport.is_closing():
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    async def wait_for(self, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        """Wait until ``condition`` holds: looked at after every call, and in between."""
        event = asyncio.Event()
        self._waiters.append(event)
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    event.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(event.wait(), LOOK_AGAIN_S)
        finally:
            self._waiters.remove(event)

    def changed(self) -> None:
        """Wake everybody who waits for something to happen."""
        for event in self._waiters:
            event.set()
