"""The JSON API: run a tool, list the tools, complete a value, delete an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web
from pydantic_core import to_json

from bot.command import MAX_CHOICES, Command, Option, answer, fixes_of, suggestions
from bot.operator_key import HEADER, is_key
from bot.results import Deleter, Door
from bot.runner import Asker, Outcome
from bot.web.answering import DELETE_KEY_HEADER, delete_key_of, is_kept, limit_reads, limit_runs
from bot.web.body import read_json
from bot.web.errors import Problem, error_body, json_response
from bot.web.openapi import openapi
from bot.web.services import SERVICES, base_of
from bot.web.text import view_text

SUGGEST_TEXT = 200  # characters of a value that completion looks at
LIST_SECONDS = 300


@dataclass(frozen=True)
class Documents:
    """What never changes while the program runs, as JSON bytes made once."""

    tools: bytes
    commands: bytes
    openapi: bytes


DOCUMENTS = web.AppKey("documents", Documents)


def make_documents(commands: Mapping[str, Command]) -> Documents:
    """The lists and the OpenAPI description of ``commands``."""
    return Documents(
        tools=to_json({"tools": [_tool(command) for command in commands.values()]}),
        commands=to_json({"commands": [_command(command) for command in commands.values()]}),
        openapi=to_json(openapi(commands)),
    )


def _tool(command: Command) -> dict[str, Any]:
    tool = command.tool
    return {
        "name": tool.name,
        "title": tool.title,
        "summary": tool.summary,
        "url": f"/api/tools/{tool.name}",
        "request": tool.request.model_json_schema(by_alias=True),
        "result": tool.result.model_json_schema(mode="serialization"),
    }


def _command(command: Command) -> dict[str, Any]:
    return {
        "name": command.name,
        "description": command.description,
        "options": [_option(option) for option in command.every],
    }


def _option(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "field": option.field,
        "description": option.description,
        "kind": option.kind,
        "required": option.required,
        "choices": [label for label, _ in option.choices],
        "suggests": option.suggest is not None,
    }


async def run_tool(request: web.Request) -> web.Response:
    """Run a tool: 200 with request, result and words; 202 for a run on a worker; 422 refused."""
    services = request.app[SERVICES]
    command = services.commands.get(request.match_info["tool"])
    if command is None:
        known = ", ".join(services.commands)
        raise Problem(404, f"There is no such tool; there are: {known}.")
    limit_runs(request)
    inputs = await read_json(request)
    # The operator's own command may have runs also where these pages are open to others.
    operator = is_key(request.headers.get(HEADER, ""), services.operator_key)
    door: Door = "terminal" if operator else "api"
    asker = Asker(door, private=True, delete_key=delete_key_of(request))
    outcome = await services.runner.run(command.tool, inputs, asker)
    if outcome.unfinished:
        return _accepted(request, outcome)
    kept = await is_kept(outcome)
    if outcome.refusal is not None:
        status = 500 if outcome.refusal.our_fault else 422
        return json_response(error_body(outcome.refusal, outcome.ref, fixes_of(outcome)), status)
    return json_response(
        {
            "id": outcome.id,
            "url": f"{base_of(request)}/r/{outcome.id}" if kept else None,
            "request": outcome.request,
            "result": outcome.result,
            "text": view_text(answer(command, outcome)),
        }
    )


def _accepted(request: web.Request, outcome: Outcome) -> web.Response:
    """202: a worker runs it; where to ask how far it is, and where the answer will be."""
    page = f"{base_of(request)}/r/{outcome.id}"
    body = {
        "id": outcome.id,
        "state": outcome.pending.state if outcome.pending else "queued",
        "url": page,
        "progress": f"{page}/progress",
        "answer": f"{page}.json",
    }
    response = json_response(body, 202)
    response.headers["Location"] = f"{page}/progress"
    return response


async def list_tools(request: web.Request) -> web.Response:
    """Every tool with the schemas of its request and result."""
    return _document(request.app[DOCUMENTS].tools)


async def list_commands(request: web.Request) -> web.Response:
    """Every command with its options, for completion."""
    return _document(request.app[DOCUMENTS].commands)


async def describe(request: web.Request) -> web.Response:
    """The OpenAPI document."""
    return _document(request.app[DOCUMENTS].openapi)


def _document(body: bytes) -> web.Response:
    headers = {"Cache-Control": f"public, max-age={LIST_SECONDS}"}
    return web.Response(body=body, content_type="application/json", headers=headers)


async def suggest(request: web.Request) -> web.Response:
    """Completions for an option's value, from memory alone."""
    limit_reads(request)
    query = request.query
    command = request.app[SERVICES].commands.get(query.get("command", ""))
    option = command.option(query.get("option", "")) if command else None
    if option is None:
        raise Problem(404, "There is no such command or option.")
    choices = suggestions(option, query.get("text", "")[:SUGGEST_TEXT])[:MAX_CHOICES]
    return json_response({"choices": [{"label": label, "value": v} for label, v in choices]})


async def delete_result(request: web.Request) -> web.Response:
    """Delete an answer; whoever has no key for it learns nothing about it."""
    limit_reads(request)
    key = delete_key_of(request)
    if not key:
        raise Problem(400, f"Send the key of the one who asked, as {DELETE_KEY_HEADER}.")
    services, result_id = request.app[SERVICES], request.match_info["id"]
    if not await services.results.delete(result_id, by=Deleter(delete_key=key)):
        raise Problem(404, "There is no such answer, or it was not asked for from this browser.")
    if services.jobs is not None:
        await services.jobs.forget(result_id)
    return web.Response(status=204)


async def healthz(request: web.Request) -> web.Response:
    """Alive: this loop answers; and how late it wakes, and the memory it holds."""
    pulse = request.app[SERVICES].pulse
    return json_response({"status": "ok"} | (asdict(pulse.snapshot()) if pulse else {}))
