"""Connections: pages of at most 100, cursors, and GitHub's refusal of a page without a size."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    VisitorAction,
    get_named_type,
    value_from_ast_untyped,
    visit,
)

from tests.fakes.github.errors import GraphProblem, Json

MAX_PAGE = 100


def connection(items: Sequence[Any], given: Json, **more: Any) -> Json:
    """Return the page of ``items`` that ``first``/``after`` or ``last``/``before`` ask for."""
    start, end = 0, len(items)
    if after := given.get("after"):
        start = _position(items, after, gone=-1) + 1
    if before := given.get("before"):
        end = min(end, _position(items, before, gone=0))
    first, last = given.get("first"), given.get("last")
    if first is not None:
        end = min(end, start + first)
    elif last is not None:
        start = max(start, end - last)
    page = list(items[start:end])
    cursors = [_cursor(start + n, item) for n, item in enumerate(page)]
    return {
        "totalCount": len(items),
        "nodes": page,
        "edges": [{"cursor": c, "node": n} for c, n in zip(cursors, page, strict=True)],
        "pageInfo": {
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
            "hasNextPage": end < len(items),
            "hasPreviousPage": start > 0,
        },
    } | more


def _cursor(position: int, item: Any) -> str:
    return base64.b64encode(f"cursor:v2:{position}:{_key(item)}".encode()).decode()


def _key(item: Any) -> str:
    return str(getattr(item, "id", item))


def _position(items: Sequence[Any], cursor: str, *, gone: int) -> int:
    """Return where the cursor's item is now; the list may have grown or shrunk since."""
    try:
        _, _, position, key = base64.b64decode(cursor).decode().split(":", 3)
    except ValueError:
        message = f"`{cursor}` does not appear to be a valid cursor."
        raise GraphProblem("INVALID_CURSOR_ARGUMENTS", message) from None
    found = next((n for n, item in enumerate(items) if _key(item) == key), None)
    return int(position) + gone if found is None else found


def page_problems(schema: GraphQLSchema, document: DocumentNode, variables: Json) -> list[Json]:
    """Return what is wrong with the pages a document asks for, as entries of ``errors``."""
    info = TypeInfo(schema)
    finder = _Pages(info, _defaults(document) | variables)
    visit(document, TypeInfoVisitor(info, finder))
    return finder.problems


def _defaults(document: DocumentNode) -> Json:
    """Return what variables are worth that a caller leaves out."""
    found: Json = {}
    for one in document.definitions:
        for v in getattr(one, "variable_definitions", None) or ():
            if v.default_value is not None:
                found[v.variable.name.value] = value_from_ast_untyped(v.default_value)
    return found


class _Pages(Visitor):
    def __init__(self, info: TypeInfo, variables: Json) -> None:
        super().__init__()
        self.info = info
        self.variables = variables
        self.problems: list[Json] = []

    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        """Look at the arguments of every field that returns a connection."""
        kind = self.info.get_type()
        if kind is None or not get_named_type(kind).name.endswith("Connection"):
            return None
        given = {a.name.value: value_from_ast_untyped(a.value, self.variables)
                 for a in node.arguments or ()}  # fmt: skip
        sizes = {k: v for k in ("first", "last") if isinstance(v := given.get(k), int)}
        name = node.name.value
        if not sizes and _selects_items(node.selection_set):
            words = f"You must provide a `first` or `last` value to properly paginate the `{name}`"
            self._refuse("MISSING_PAGINATION_BOUNDARIES", f"{words} connection.", node)
        for word, size in sizes.items():
            if size > MAX_PAGE:
                words = f"Requesting {size} records on the `{name}` connection exceeds the"
                message = f"{words} `{word}` limit of {MAX_PAGE} records."
                self._refuse("EXCESSIVE_PAGINATION", message, node)
        return None

    def _refuse(self, kind: str, message: str, node: FieldNode) -> None:
        self.problems.append({"type": kind, "path": [node.name.value], "message": message})


def _selects_items(selection: SelectionSetNode | None) -> bool:
    for node in selection.selections if selection else ():
        if isinstance(node, FieldNode):
            if node.name.value in ("nodes", "edges"):
                return True
        elif not isinstance(node, InlineFragmentNode) or _selects_items(node.selection_set):
            return True  # a named fragment is taken to select items
    return False
