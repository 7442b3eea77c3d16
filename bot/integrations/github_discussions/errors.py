"""What each error of the thread means: certainly not done (and why), or unknown.

GitHub's and PyGithub's forms, each measured: a limit comes as 403, as 429 and as status 200; an
error beside data means that the mutation was applied; 502, a timeout, a reset, half a body and an
HTML page leave it open whether it was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bot.integrations.github_discussions.connection import KeyUnreadable
from bot.outbox import Later, Never

SECONDARY_S = 60.0  # what GitHub asks for where it does not say how long
LONGEST_S = 3700.0  # the primary limit comes back every hour
TOO_QUICK = "submitted too quickly"
SHOWN = 200  # characters of GitHub's words
CLOSED = ("archived", "discussions are disabled")
PERMISSION = ("FORBIDDEN", "INSUFFICIENT_SCOPES")
REFUSED = ("UNPROCESSABLE", "VALIDATION", "INVALID_CURSOR_ARGUMENTS", "BAD_USER_INPUT")


class Limited(Later):
    """GitHub asks us to wait; nothing is sent before that."""

    def __init__(self, reason: str, after_s: float) -> None:
        super().__init__(reason, after_s, all_of_it=True)


class BadToken(Exception):
    """The token or the App's key is refused (401)."""


class Denied(Exception):
    """The account may not do that, or the repository takes nothing; the message is GitHub's."""


class Missing(Exception):
    """What it is about does not exist, or not for us."""


def judge(error: Exception) -> Exception:
    """``Limited``, ``BadToken``, ``Denied``, ``Missing``, ``Later`` and ``Never`` say that it was
    certainly not done; any other error is given back as it is and leaves that open.
    """
    if isinstance(error, KeyUnreadable):
        return BadToken(str(error))
    status = getattr(error, "status", None)
    if not isinstance(status, int):
        return Later("GitHub cannot be reached") if never_left(error) else error
    headers = {str(k).lower(): str(v) for k, v in (getattr(error, "headers", None) or {}).items()}
    data = getattr(error, "data", None)
    problems = errors_in(data)
    words = _words(data, problems)
    if _is_limit(status, headers, problems, words):
        return Limited(f"GitHub asks us to wait: {words}", wait_s(headers))
    if problems:
        return _judge_graphql(problems, words, error)
    return _judge_status(status, words, error)


def _judge_graphql(problems: list[Mapping[str, Any]], words: str, error: Exception) -> Exception:
    kinds = {str(problem.get("type")) for problem in problems}
    closed = any(sign in words.lower() for sign in CLOSED)
    if closed or kinds & set(PERMISSION):
        return Denied(words)
    if kinds == {"NOT_FOUND"}:
        return Missing(words)
    if TOO_QUICK in words:
        return Limited(f"GitHub asks us to wait: {words}", SECONDARY_S)
    if kinds <= set(REFUSED):
        return Never(f"GitHub refuses it: {words}")
    return error  # "Something went wrong", a timeout inside GitHub, resource limits


def _judge_status(status: int, words: str, error: Exception) -> Exception:
    if status == 401:
        return BadToken(words)
    if status in (403, 451):
        return Denied(words)
    if status in (404, 410):
        return Missing(words)
    return error


def _is_limit(
    status: int, headers: Mapping[str, str], problems: list[Mapping[str, Any]], words: str
) -> bool:
    if any(problem.get("type") == "RATE_LIMITED" for problem in problems) or status == 429:
        return True
    said = words.lower()
    limit = "rate limit" in said or "abuse detection" in said or "retry-after" in headers
    return status == 403 and limit


def wait_s(headers: Mapping[str, str], now: float | None = None) -> float:
    """Seconds to wait as the answer's headers ask: Retry-After; the reset when no points are
    left; else what a limit without a header means.
    """
    after = _number(headers.get("retry-after", ""))
    if after is not None:
        return min(max(after, 1.0), LONGEST_S)
    reset = _number(headers.get("x-ratelimit-reset", ""))
    if headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        left = reset + 1.0 - (time.time() if now is None else now)  # it is in whole seconds
        return min(max(left, 1.0), LONGEST_S)
    return SECONDARY_S


def data_of(error: Exception) -> dict[str, Any]:
    """The data that came beside errors; empty where there is none."""
    found = getattr(error, "data", None)
    data = found.get("data") if isinstance(found, dict) else None
    return data if isinstance(data, dict) else {}


def errors_in(data: Any) -> list[Mapping[str, Any]]:
    """The entries of GraphQL's ``errors``; REST has a ``message``, and others of that name."""
    graphql = isinstance(data, dict) and "message" not in data
    found = data.get("errors") if graphql else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def never_left(error: BaseException) -> bool:
    """Whether no connection was made, so that nothing was sent."""
    from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

    inner = error.args[0] if error.args else None
    if isinstance(inner, MaxRetryError):
        inner = inner.reason
    return isinstance(inner, NewConnectionError | ConnectTimeoutError)


def tell(error: Exception) -> str:
    """An error in a few words, of which none is a secret."""
    if isinstance(error, Later | Never | Limited | BadToken | Denied | Missing):
        return str(error)
    status = getattr(error, "status", None)
    if isinstance(status, int):
        data = getattr(error, "data", None)
        return f"GitHub answered {status}: {_words(data, errors_in(data))}"
    return f"the answer did not arrive ({type(error).__name__})"


def _words(data: Any, problems: list[Mapping[str, Any]]) -> str:
    said = [str(problem.get("message", "")) for problem in problems]
    if not said and isinstance(data, dict):
        said = [str(data.get("message") or "")]
    text = " ".join("; ".join(said).split())
    return text[:SHOWN] or "no reason was given"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
