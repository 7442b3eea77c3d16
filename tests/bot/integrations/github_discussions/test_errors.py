"""What each error of PyGithub and the network means: certainly not done, or unknown."""

from __future__ import annotations

import time

import pytest
from github import GithubException, UnknownObjectException

from bot.integrations.github_discussions import errors
from bot.integrations.github_discussions.errors import BadToken, Denied, Limited, Missing
from bot.outbox import Later, Never


def graphql(kind: str | None, message: str = "words") -> Exception:
    problem = {"message": message} | ({"type": kind} if kind else {})
    return GithubException(400, {"data": None, "errors": [problem]}, {})


def rest(status: int, message: str = "words", **headers: str) -> Exception:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return GithubException(status, {"message": message}, given)


SECONDARY = "You have exceeded a secondary rate limit. Please wait."


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (rest(401), BadToken),
        (rest(403, "Resource not accessible by integration"), Denied),
        (rest(404), Missing),
        (rest(403, SECONDARY), Limited),
        (rest(403, "API rate limit exceeded for user ID 1."), Limited),
        (rest(403, "words", retry_after="3"), Limited),
        (rest(429), Limited),
        (graphql("RATE_LIMITED"), Limited),
        (graphql("UNPROCESSABLE", "was submitted too quickly"), Limited),
        (graphql("FORBIDDEN"), Denied),
        (graphql("INSUFFICIENT_SCOPES"), Denied),
        (graphql("UNPROCESSABLE", "Repository was archived so is read-only."), Denied),
        (graphql("NOT_FOUND"), Missing),
        (UnknownObjectException(404, {"errors": [{"type": "NOT_FOUND", "message": "m"}]}), Missing),
        (graphql("UNPROCESSABLE", "Body is too long"), Never),
    ],
)
def test_a_refusal_says_that_it_was_certainly_not_done(
    error: Exception, meaning: type[Exception]
) -> None:
    assert type(errors.judge(error)) is meaning


@pytest.mark.parametrize(
    "error",
    [
        rest(500),
        rest(502),
        rest(504),
        graphql(None, "Something went wrong while executing your query."),
        graphql("RESOURCE_LIMITS_EXCEEDED"),
        graphql("SERVICE_UNAVAILABLE"),
        rest(422, "Invalid request."),
        AttributeError("'str' object has no attribute 'get'"),
        TimeoutError(),
        ConnectionResetError(),
        ValueError("half a body"),
    ],
)
def test_what_leaves_the_outcome_open_stays_what_it_is(error: Exception) -> None:
    judged = errors.judge(error)
    assert judged is error and not isinstance(judged, Later | Never)


NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000900"}, 7.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000900"}, 901.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "999000"}, 1.0),  # in the past
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2000000"}, 3700.0),
        ({"x-ratelimit-remaining": "17", "x-ratelimit-reset": "1000900"}, 60.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60.0),
        ({}, 60.0),
    ],
)
def test_a_limit_is_waited_out_as_its_headers_ask(headers: dict[str, str], seconds: float) -> None:
    assert errors.wait_s(headers, NOW) == seconds


def test_a_primary_limit_with_status_200_waits_until_its_reset() -> None:
    reset = str(int(time.time()) + 600)
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    problems = {"errors": [{"type": "RATE_LIMITED", "message": "m"}]}
    judged = errors.judge(GithubException(400, problems, headers))
    assert isinstance(judged, Limited) and judged.all_of_it
    assert judged.after_s == pytest.approx(601, abs=2)


def test_words_of_github_are_shown_short_and_in_one_line() -> None:
    told = errors.tell(rest(500, "line\n" * 200))
    assert "\n" not in told and len(told) < 260
    assert errors.tell(rest(502, "")) == "GitHub answered 502: no reason was given"
    assert errors.tell(TimeoutError("ghp_secret")) == "the answer did not arrive (TimeoutError)"
