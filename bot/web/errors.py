"""Every failure becomes a sentence: JSON for the API and scripts, a page for people."""

from __future__ import annotations

import http
import logging
import secrets
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic_core import to_json

from bot.web.assets import TEMPLATES
from compute.tool import Fix, Refusal

log = logging.getLogger(__name__)

Handler = Any  # aiohttp's own type of a handler is private to it

SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take the method {method}.",
    408: "The request took too long to arrive.",
    413: "That is larger than this address takes.",
}


class Problem(Exception):
    """An HTTP error with the sentence to show; ``wait_s`` becomes Retry-After."""

    def __init__(self, status: int, message: str, *, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.wait_s = wait_s


def json_response(payload: object, status: int = 200) -> web.Response:
    """``payload`` as JSON. What is not a number any more (inf, NaN) is null, never 0."""
    body = to_json(payload, inf_nan_mode="null", by_alias=True)
    return web.Response(body=body, status=status, content_type="application/json")


def error_body(refusal: Refusal, ref: str, fixes: Sequence[Fix] = ()) -> dict[str, Any]:
    """The one shape of an error in the API."""
    return {
        "error": {
            "message": refusal.message,
            "field": refusal.field,
            "given": refusal.given,
            "nearest": list(refusal.nearest),
            "example": refusal.example,
            "fixes": [fix.model_dump(mode="json") for fix in fixes],
            "ref": ref,
        }
    }


def wants_json(request: web.Request) -> bool:
    """Whether a program asks: the API, a download, or a script of our own pages."""
    path = request.path
    accepts = request.headers.get("Accept", "")
    return path.startswith("/api/") or path.endswith(".json") or "application/json" in accepts


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what a handler raises into an answer; the unexpected is logged under its ref."""
    ref = secrets.token_hex(3)
    try:
        response: web.StreamResponse = await handler(request)
    except Problem as problem:
        log.info("ref %s: %d %s: %s", ref, problem.status, request.path, problem.message)
        response = _failed(request, problem.status, problem.message, ref)
        if problem.wait_s:
            response.headers["Retry-After"] = str(max(1, round(problem.wait_s + 0.5)))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        message = SENTENCES.get(error.status, http.HTTPStatus(error.status).phrase + ".")
        response = _failed(request, error.status, message.format(method=request.method), ref)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except Exception:
        log.exception("ref %s: %s %s failed", ref, request.method, request.path)
        message = "Something went wrong here, and it is not your fault. Please try again."
        response = _failed(request, 500, message, ref)
    return response


def _failed(request: web.Request, status: int, message: str, ref: str) -> web.Response:
    if wants_json(request):
        return json_response(error_body(Refusal(message=message), ref), status)
    page = request.app[TEMPLATES].page("message.html", message=message, ref=ref, status=status)
    return web.Response(text=page, status=status, content_type="text/html")
