"""One thread that owns one PyGithub client; the event loop asks it and never waits itself.

A PyGithub client shared by threads loses and doubles mutations: its connection object keeps the
request between two calls. So every request goes through this thread, one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from bot.integrations.github_discussions.connection import TIMEOUT_S, Connection, Credentials
from bot.integrations.github_discussions.errors import (
    BadToken,
    Denied,
    Limited,
    Missing,
    data_of,
    judge,
    tell,
)
from bot.integrations.github_discussions.holds import HOLD_S, Holds, Scope
from bot.integrations.github_discussions.turns import CHANGE, READ, Pace, Turns
from bot.outbox import Later, Never

if TYPE_CHECKING:
    from github.Requester import Requester

log = logging.getLogger(__name__)

TURN_S = 10.0  # a change that cannot begin by then is put off, so that it never goes out late
BUSY_S = 1.0
CLOSE_S = 2.0
REFUSED_TOKEN = "GitHub refuses the token: make a new one and set GITHUB_TOKEN."
REFUSED_APP = (
    "GitHub refuses the App: check GITHUB_APP_ID, GITHUB_INSTALLATION_ID and its private key."
)

T = TypeVar("T")
Job = Callable[["Requester"], T]


class Unclear(Exception):
    """An answer that says neither yes nor no."""


class NotSent(Exception):
    """Logging in failed before the request was sent; the cause says why."""


class GitHubClient:
    """What is sent to GitHub. Every method raises ``Later`` where nothing was done, and ``Denied``
    or ``Missing`` where GitHub says so; ``change`` and ``put`` raise anything else where the
    outcome is unknown.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        pace: Pace | None = None,
        timeout_s: int = TIMEOUT_S,
        hold_s: float = HOLD_S,
    ) -> None:
        self.pace = pace or Pace()
        self.holds = Holds(hold_s)
        self.turn_s = TURN_S
        self.rate = (-1, -1, 0)  # points left, points an hour, when they come back
        self.scopes: tuple[str, ...] = ()  # of a classic token; others do not tell
        self.last_error, self.last_error_at = "", 0.0
        self.is_app = credentials.is_app
        self._connection = Connection(credentials, timeout_s)
        self._thread = ThreadPoolExecutor(1, "github")
        self._turns = Turns()
        self._changing = asyncio.Lock()
        self._refusals = 0

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._turns.waiting + self._changing.locked()

    @property
    def permissions(self) -> dict[str, str]:
        """What an App was granted, by GitHub's names; empty for a token."""
        return self._connection.permissions

    async def close(self) -> None:
        """End; what is under way is waited for at most 2 s."""
        closing = self._thread.submit(self._connection.close)
        self._thread.shutdown(wait=False)
        await asyncio.wait([asyncio.wrap_future(closing)], timeout=CLOSE_S)

    async def read(
        self, document: str, variables: Mapping[str, Any], *, partly: bool = False
    ) -> dict[str, Any]:
        """The data of a query; ``partly``: also where GitHub could not tell all of it."""
        try:
            return await self._read(lambda r: _data(r.graphql_query(document, dict(variables))[1]))
        except (Missing, Denied) as error:
            cause = error.__cause__
            found = data_of(cause) if partly and isinstance(cause, Exception) else {}
            if not found:
                raise
            return found

    async def get(
        self, path: str, parameters: dict[str, Any] | None = None, etag: str = ""
    ) -> tuple[dict[str, str], Any]:
        """Headers and JSON of a REST address; None where the ``etag`` still holds."""
        headers = {"If-None-Match": etag} if etag else {}
        return await self._read(
            lambda r: r.requestJsonAndCheck("GET", path, parameters, dict(headers))
        )

    async def change(
        self, document: str, given: Mapping[str, Any], scope: Scope, *, posts: bool = False
    ) -> dict[str, Any]:
        """What the one mutation of ``document`` answers; ``posts``: it makes something new."""

        def send(requester: Requester) -> dict[str, Any]:
            return _data(requester.graphql_query(document, {"input": dict(given)})[1])

        try:
            data = await self._change(send, scope, posts)
        except Exception as error:
            # An error beside the result: it was done all the same.
            data = data_of(_origin(error))
            if _result(data) is None:
                raise
            log.info("GitHub did it and said too: %s", tell(error))
        result = _result(data)
        if result is None:
            raise Unclear("the answer holds no result")
        self.holds.clear("account", scope)
        return result

    async def put(self, path: str, body: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        """What a REST PUT answers."""
        found = await self._change(
            lambda r: r.requestJsonAndCheck("PUT", path, input=dict(body))[1], scope, posts=True
        )
        if not isinstance(found, dict):
            raise Unclear("the answer is no object")
        return found

    async def _read(self, job: Job[T]) -> T:
        for again in (True, False):
            await self._turns.take(READ)
            try:
                return await self._in_thread(job, None, float("inf"), self._turns.free)
            except (Later, Never):
                raise
            except Exception as error:
                judged = self._judged(error)
                if isinstance(judged, BadToken) and self._refusals == 1 and again:
                    continue
                if not isinstance(judged, Later | Denied | Missing):
                    judged = self._refused(judged) or Later(tell(judged))
                raise judged from _origin(error)
        raise AssertionError("unreachable: the second try returns or raises")

    async def _change(self, job: Job[T], scope: Scope, posts: bool) -> T:
        begin_by = time.monotonic() + self.turn_s
        await self._turn_to_change(scope, posts)

        def over() -> None:
            self.pace.ended()
            self._changing.release()
            self._turns.free()

        self.pace.began(posts=posts)
        try:
            return await self._in_thread(job, scope, begin_by, over)
        except (Later, Never):
            raise
        except Exception as error:
            judged = self._judged(error)
            if isinstance(judged, BadToken) and self._refusals == 1:
                raise Later("GitHub refused the token once; logging in anew", BUSY_S) from None
            judged = self._refused(judged) or judged
            if judged is error:
                raise
            if isinstance(error, NotSent) and not isinstance(judged, Later):
                judged = Later(tell(judged))
            raise judged from _origin(error)

    async def _turn_to_change(self, scope: Scope, posts: bool) -> None:
        """Wait until nothing else is changed and the pace is kept; raises ``Later`` at last."""
        try:
            async with asyncio.timeout(self.turn_s):
                await self._changing.acquire()
                try:
                    self.holds.check(scope)
                    full_s = self.pace.full_s() if posts else 0.0
                    if full_s > 0:
                        raise Later("GitHub takes no more new posts now", full_s, all_of_it=True)
                    await asyncio.sleep(self.pace.wait_s())
                    await self._turns.take(CHANGE)
                except BaseException:
                    self._changing.release()
                    raise
        except TimeoutError:
            raise Later("another request to GitHub is under way", BUSY_S) from None

    async def _in_thread(
        self, job: Job[T], scope: Scope | None, begin_by: float, over: Callable[[], None]
    ) -> T:
        """Run ``job`` and call ``over`` when it ended, also when nobody waits for it any more."""
        loop, given_up = asyncio.get_running_loop(), threading.Event()
        try:
            self.holds.check(scope)  # it may have been set while this waited for its turn
            future = self._thread.submit(self._work, job, begin_by, given_up)
        except BaseException:
            over()
            raise

        def ended(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(over)

        future.add_done_callback(ended)
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            given_up.set()
            raise
        self._refusals = 0
        self.holds.clear("account")
        return result

    def _work(self, job: Job[T], begin_by: float, given_up: threading.Event) -> T:
        """On the thread: log in where that is needed, and send one request."""
        try:
            requester = self._connection.ready()
        except Exception as error:
            raise NotSent from error
        if time.monotonic() > begin_by or given_up.is_set():
            raise Later("logging in took too long", BUSY_S)
        try:
            return job(requester)
        except Exception as error:
            if getattr(error, "status", None) == 401:
                self._connection.close()  # whoever is next logs in anew
            raise
        finally:
            left, limit = requester.rate_limiting
            self.rate = (left, limit, requester.rate_limiting_resettime)
            self.scopes = tuple(requester.oauth_scopes or ())

    def _judged(self, error: Exception) -> Exception:
        """What an error means; keeps what everything else must know of it."""
        judged = judge(_origin(error))
        if isinstance(error, NotSent) and isinstance(judged, Denied | Missing):
            judged = BadToken(str(judged))
        self.last_error, self.last_error_at = tell(judged), time.time()
        if isinstance(judged, Limited):
            self.holds.quiet(str(judged), judged.after_s)
        if isinstance(judged, BadToken):
            self._refusals += 1
        return judged

    def _refused(self, judged: Exception) -> Later | None:
        """Holds everything where the account is refused."""
        if not isinstance(judged, BadToken):
            return None
        own = str(judged) if "PRIVATE_KEY" in str(judged) else ""
        return self.holds.hold("account", own or (REFUSED_APP if self.is_app else REFUSED_TOKEN))


def _origin(error: Exception) -> Exception:
    """The error of the request itself."""
    cause = error.__cause__
    told = isinstance(error, NotSent | Later | Never | Denied | Missing)
    return cause if told and isinstance(cause, Exception) else error


def _data(answer: Any) -> dict[str, Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise Unclear("the answer holds no data")
    return data


def _result(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the document's one mutation gave."""
    found = next(iter(data.values()), None)
    return found if isinstance(found, dict) else None
