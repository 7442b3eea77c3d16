"""The schema every GraphQL document is held against, and the real one where a copy is at hand."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
)

from tests.fakes.github.schema_cut import CUT

ROOT = Path(__file__).resolve().parents[3]


def real_path() -> Path:
    """Return where GitHub's whole schema is expected: K2C_GITHUB_SCHEMA, or beside the project."""
    beside = ROOT.parent / "shared" / "specs" / "github-schema.graphql"
    return Path(os.environ.get("K2C_GITHUB_SCHEMA") or beside)


@functools.cache
def cut_schema() -> GraphQLSchema:
    """Return the cut of the schema that lies in the repository (13 KB, 20 ms)."""
    return build_schema(CUT.read_text(encoding="utf-8"))


@functools.cache
def real_schema() -> GraphQLSchema | None:
    """Return GitHub's whole schema, ``None`` where there is none; 2 s of CPU, once a process."""
    path = real_path()
    if not path.is_file():
        return None
    return build_schema(path.read_text(encoding="utf-8"), assume_valid=True)


def real_problems(documents: Iterable[str]) -> list[str]:
    """Return what the real schema says against these documents, nothing where it is absent."""
    schema = real_schema()
    if schema is None:
        return []
    return [str(e) for text in documents for e in validate(schema, parse(text))]


@functools.lru_cache(maxsize=512)
def read_document(text: str) -> tuple[DocumentNode | None, tuple[GraphQLError, ...]]:
    """Parse and validate a document: the tree (``None`` if unreadable) and what is wrong."""
    try:
        document = parse(text)
    except GraphQLError as error:
        return None, (error,)
    return document, tuple(validate(cut_schema(), document))


def operation(document: DocumentNode) -> OperationDefinitionNode:
    """Return the document's first operation; the bot sends one a document."""
    found = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    return found[0]


def names_of(document: DocumentNode) -> tuple[str, frozenset[str]]:
    """Return the first field, and all names: fields, ``repository.discussions``, operation."""
    chosen = operation(document)
    names = [chosen.name.value] if chosen.name else []
    fields = []
    for node in chosen.selection_set.selections:
        if not hasattr(node, "name"):
            continue
        fields.append(node.name.value)
        below = getattr(node, "selection_set", None)
        inner = below.selections if below else ()
        names += [f"{fields[-1]}.{n.name.value}" for n in inner if hasattr(n, "name")]
    return fields[0], frozenset(fields + names)
