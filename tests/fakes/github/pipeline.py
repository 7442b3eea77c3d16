"""What happens to every API request: log, hold, spoil, authorise, do, hold, spoil, answer."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.fakes.github import damage, graph
from tests.fakes.github.calls import Call, Violation
from tests.fakes.github.errors import RestError
from tests.fakes.github.faults import Fault
from tests.fakes.github.people import JWT_ROUTES, PEOPLE
from tests.fakes.github.rest import ROUTES, Ask, Handler, compiled, unknown

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

GRAPHQL = ("/graphql", "/api/graphql")
ENTERPRISE = "/api/v3"
NO_AGENT = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header."  # noqa: E501


@dataclass
class Answer:
    """What goes back: JSON or bytes."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        """Return the bytes of the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Work:
    """One request on its way through."""

    request: web.Request
    call: Call
    handler: Handler = unknown
    short: str = ""
    params: dict[str, str] = field(default_factory=dict)


class Pipeline:
    """Serves every path of the API; the fake's state is on ``github``."""

    def __init__(self, github: FakeGitHub) -> None:
        self.github = github
        self.routes = compiled(PEOPLE + ROUTES)
        self.under_way: list[Work] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Take one request through all steps."""
        work = await self._read(request)
        self.github.calls.append(work.call)
        self._enter(work)
        try:
            response = await self._steps(work)
            work.call.status = 0 if isinstance(response, damage.Cut) else response.status
            return response
        finally:
            work.call.ended = time.monotonic()
            self.under_way.remove(work)
            self.github.changed()

    async def _steps(self, work: Work) -> web.StreamResponse:
        github, call = self.github, work.call
        if await self._held(work, "before"):
            return damage.cut(work.request)
        fault = github.faults.meet(call)
        if fault is not None and fault.kind == "slow" and not fault.applied:
            await asyncio.sleep(fault.delay_s)
        elif fault is not None and not fault.applied:
            return await self._spoil(work, fault, None)
        answer = self._answer(work)
        if await self._held(work, "after"):
            return damage.cut(work.request)
        if fault is not None and fault.applied:
            return await self._spoil(work, fault, answer)
        return self._response(work, answer)

    async def _spoil(self, work: Work, fault: Fault, answer: Answer | None) -> web.StreamResponse:
        async def hang() -> None:
            await self.github.wait_until_gone(work.request)

        raw = answer.raw() if answer is not None else None
        return await damage.spoil(work.request, work.call, fault, raw, self.github.limits, hang)

    async def _held(self, work: Work, when: str) -> bool:
        """Stop at a hold that fits; True if the connection is to be cut."""
        hold = self.github.take_hold(work.call, when)
        if hold is None:
            return False
        await hold.stop(work.call)
        return hold.dropped

    def _enter(self, work: Work) -> None:
        """Count how many changes are under way whose caller still waits."""
        self.under_way.append(work)
        alive = [w for w in self.under_way
                 if w.call.changes and not damage.gone(w.request)]  # fmt: skip
        if work.call.changes:
            most = max(self.github.most_in_flight_mutations, len(alive))
            self.github.most_in_flight_mutations = most

    async def _read(self, request: web.Request) -> Work:
        raw = await request.read()
        path = request.path
        token = request.headers.get("Authorization", "").rpartition(" ")[2]
        agent = request.headers.get("User-Agent", "")
        call = Call(time.monotonic(), "rest", "", token=token, user_agent=agent)
        if path in GRAPHQL:
            graph.read_call(call, raw)
            return Work(request, call)
        path = path.removeprefix(ENTERPRISE) or "/"
        call.name = f"{request.method} {path}"
        with contextlib.suppress(ValueError):
            call.body = json.loads(raw) if raw else None
        work = Work(request, call)
        for verb, short, pattern, handler in self.routes:
            if verb == request.method and (found := re.fullmatch(pattern, path)):
                work.handler, work.short, work.params = handler, short, found.groupdict()
                call.names = frozenset({f"{verb} {short}"})
                break
        return work

    def _answer(self, work: Work) -> Answer:
        github, call = self.github, work.call
        try:
            self._authorise(work)
            if work.short != "rate_limit" and not github.limits.spend():
                if call.kind == "rest":
                    raise RestError(403, damage.LIMITED)
                return Answer(200, damage.rate_limited())
            if call.kind != "rest":
                return Answer(200, graph.answer(github, call))
            return Answer(*self._rest(work))
        except RestError as error:
            return Answer(error.status, error.body(), error.headers)
        except Exception as error:
            github.violations.append(Violation(call.name, f"the fake broke: {error!r}"))
            raise

    def _rest(self, work: Work) -> tuple[int, Any]:
        github, request = self.github, work.request
        asked = f"{work.params['owner']}/{work.params['name']}" if "owner" in work.params else None
        if asked and (asked.lower() != github.repository.lower() or github.hidden):
            raise RestError(404, "Not Found")
        prefix = ENTERPRISE if request.path.startswith(ENTERPRISE) else ""
        ask = Ask(github, work.call, work.params, dict(request.query),
                  github.api_base + prefix, request.headers.get("Accept", ""))  # fmt: skip
        return work.handler(ask)

    def _authorise(self, work: Work) -> None:
        github, call = self.github, work.call
        if not call.user_agent:
            github.violations.append(Violation(call.name, "no User-Agent"))
            raise RestError(403, NO_AGENT)
        if work.short in JWT_ROUTES:
            github.app.check(call.token)
            return
        call.by_app = github.app.accepts(call.token)
        if not call.token and call.kind == "rest" and not github.private:
            return  # anybody may read a public repository
        if not call.by_app and call.token != github.token:
            raise RestError(401, "Bad credentials")
        call.login = github.login

    def _response(self, work: Work, answer: Answer) -> web.Response:
        raw = answer.raw()
        resource = "core" if work.call.kind == "rest" else "graphql"
        headers = self.github.limits.headers(resource) | answer.headers
        kind = "application/octet-stream" if isinstance(answer.body, bytes) else "application/json"
        if work.call.kind == "rest" and answer.status == 200 and work.request.method == "GET":
            headers["ETag"] = etag = f'"{hashlib.sha1(raw).hexdigest()}"'
            if work.request.headers.get("If-None-Match") in (etag, "W/" + etag):
                self.github.limits.used -= 1  # an answer that says nothing new costs no point
                return web.Response(status=304, headers=headers)
        return web.Response(status=answer.status, body=raw, content_type=kind, headers=headers)
