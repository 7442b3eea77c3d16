"""How GitHub says no: REST errors by status, GraphQL errors by type with status 200.

Wordings come from public issue threads and GitHub's pages; those nobody has published are marked
in ``world`` and ``mutations`` where they stand.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
DOCS = "https://docs.github.com/rest"


class RestError(Exception):
    """An answer with an HTTP error status."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}

    def body(self) -> Json:
        """Return the JSON GitHub sends with it."""
        return {
            "message": self.message,
            "documentation_url": DOCS,
            "status": str(self.status),
        }


class GraphProblem(Exception):
    """An entry of ``errors`` in a GraphQL answer, for example of type NOT_FOUND."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def missing_node(node_id: object) -> GraphProblem:
    """Return what an unknown id gets."""
    return GraphProblem(
        "NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'"
    )
