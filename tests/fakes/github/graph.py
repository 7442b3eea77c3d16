"""The GraphQL endpoint: read, validate against the schema, execute, answer as GitHub does."""

from __future__ import annotations

import json
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo, execute_sync

from tests.fakes.github.calls import Call, Violation
from tests.fakes.github.errors import GraphProblem, Json
from tests.fakes.github.mutations import MUTATIONS
from tests.fakes.github.paging import page_problems
from tests.fakes.github.resolvers import FIELDS, Context, type_name
from tests.fakes.github.schema import cut_schema, names_of, operation, read_document

OOPS = "Something went wrong while executing your query. Please include `FAKE:1` when reporting it."


def read_call(call: Call, raw: bytes) -> None:
    """Fill in what the body says: the document, its variables and names."""
    try:
        body = json.loads(raw)
        call.document, call.variables = body["query"], body.get("variables") or {}
    except (ValueError, KeyError, TypeError):
        call.kind, call.name = "query", "unreadable"
        return
    call.body = body
    document, problems = read_document(call.document)
    if document is None or not document.definitions:
        call.kind, call.name = "query", "unreadable"
        return
    if not problems or hasattr(document.definitions[0], "operation"):
        call.kind = operation(document).operation.value
        call.name, call.names = names_of(document)


def answer(github: Any, call: Call) -> Json:
    """Return the answer's JSON; status 200 whatever it says, as on GitHub."""
    document, problems = read_document(call.document)
    if document is None or problems:
        return _invalid(github, call, [_static(e) for e in problems])
    pages = page_problems(cut_schema(), document, call.variables)
    if pages:
        return _invalid(github, call, pages)
    result = execute_sync(
        cut_schema(), document, context_value=Context(github, call),
        variable_values=call.variables, field_resolver=_resolve, type_resolver=type_name,
    )  # fmt: skip
    if result.errors and result.data is None and any(e.path is None for e in result.errors):
        return _invalid(github, call, [_static(e) for e in result.errors])
    found: Json = {"data": result.data}
    if result.errors:
        found["errors"] = [_error(github, call, e) for e in result.errors]
    return found


def _invalid(github: Any, call: Call, errors: list[Json]) -> Json:
    for error in errors:
        github.violations.append(Violation(call.name, str(error["message"]), call.document))
    return {"errors": errors}


def _places(error: GraphQLError) -> list[Json]:
    return [{"line": p.line, "column": p.column} for p in error.locations or ()]


def _static(error: GraphQLError) -> Json:
    return {"message": error.message, "locations": _places(error),
            "extensions": {"code": "invalidDocument"}}  # fmt: skip


def _error(github: Any, call: Call, error: GraphQLError) -> Json:
    found: Json = {"path": list(error.path or ()), "locations": _places(error)}
    cause = error.original_error
    if isinstance(cause, GraphProblem):
        if "too long" in cause.message:
            github.violations.append(Violation(call.name, cause.message))
        return {"type": cause.kind} | found | {"message": cause.message}
    github.violations.append(Violation(call.name, f"the fake broke: {cause!r} {error.message}"))
    return found | {"message": OOPS}


def _resolve(source: Any, info: GraphQLResolveInfo[Context], **given: Any) -> Any:
    ctx = info.context
    kind, name = info.parent_type.name, info.field_name
    if kind == "Mutation":
        inputs = given["input"]
        payload = MUTATIONS[name](ctx, inputs)
        ctx.call.applied = True
        return payload | {"clientMutationId": inputs.get("clientMutationId")}
    if isinstance(source, dict):
        return source[name]
    resolver = FIELDS[kind].get(name)
    if resolver is None:
        raise NotImplementedError(f"the fake has no resolver for {kind}.{name}")
    return resolver(ctx, source, given)
