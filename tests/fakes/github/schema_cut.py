"""Cuts GitHub's GraphQL schema down to the types that Discussions need.

``python -m tests.fakes.github.schema_cut FULL.graphql`` writes ``schema.graphql`` beside this file.
The full schema is MIT, Copyright (c) GitHub, from npm ``@octokit/graphql-schema`` 15.26.1. A field
or an argument stays when its type stays, so a document that is valid here is valid on GitHub.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldDefinitionNode,
    NamedTypeNode,
    TypeNode,
    parse,
    print_ast,
)

CUT = Path(__file__).parent / "schema.graphql"
HEADER = """\
# Cut from GitHub's public GraphQL schema by tests/fakes/github/schema_cut.py.
# Source: npm @octokit/graphql-schema 15.26.1, schema.graphql. MIT, Copyright (c) GitHub 2025.
"""
BUILT_IN = frozenset({"ID", "Int", "String", "Boolean", "Float"})
MUTATIONS = frozenset({
    "addDiscussionComment", "addLabelsToLabelable", "closeDiscussion", "createDiscussion",
    "deleteDiscussion", "deleteDiscussionComment", "lockLockable", "markDiscussionCommentAsAnswer",
    "removeLabelsFromLabelable", "reopenDiscussion", "unlockLockable",
    "unmarkDiscussionCommentAsAnswer", "updateDiscussion", "updateDiscussionComment",
})  # fmt: skip
ACTOR = frozenset({"id", "databaseId", "name"})  # and what their interfaces ask for
# Of these types only the named fields stay; of the others every field whose type stays.
ONLY: dict[str, frozenset[str]] = {
    "Query": frozenset({"node", "nodes", "rateLimit", "repository", "search", "viewer"}),
    "Mutation": MUTATIONS,
    "Bot": ACTOR,
    "Organization": ACTOR,
    "User": ACTOR,
    "RepositoryOwner": frozenset({"id", "login", "avatarUrl", "resourcePath", "url"}),
    "Ref": frozenset({"id", "name", "prefix"}),
}
TYPES = frozenset({
    "Query", "Mutation", "PageInfo", "RateLimit", "Repository", "Ref",
    "Discussion", "DiscussionConnection", "DiscussionEdge", "DiscussionOrder",
    "DiscussionOrderField", "DiscussionState", "DiscussionStateReason", "DiscussionCloseReason",
    "DiscussionCategory", "DiscussionCategoryConnection", "DiscussionCategoryEdge",
    "DiscussionComment", "DiscussionCommentConnection", "DiscussionCommentEdge",
    "Label", "LabelConnection", "LabelEdge", "LabelOrder", "LabelOrderField", "LockReason",
    "OrderDirection", "RepositoryPermission", "CommentAuthorAssociation",
    "SearchResultItem", "SearchResultItemConnection", "SearchResultItemEdge", "SearchType",
    "Actor", "Bot", "Organization", "User", "RepositoryOwner",
    "Node", "Labelable", "Lockable", "Closable", "Comment", "RepositoryNode", "Updatable",
    "DateTime", "URI", "HTML",
})  # fmt: skip


def kept_types() -> frozenset[str]:
    """Return the types that stay, with each mutation's input and payload."""
    stems = [name[0].upper() + name[1:] for name in MUTATIONS]
    return TYPES | BUILT_IN | {s + end for s in stems for end in ("Input", "Payload")}


def cut(full: DocumentNode) -> str:
    """Return the cut as text, types in the order of the alphabet."""
    keep = kept_types()
    kept: list[Any] = [d for d in full.definitions if _kept(d, keep)]
    promised = {d.name.value: _names(d) for d in kept if d.kind == "interface_type_definition"}
    kept = sorted((_pruned(d, keep, promised) for d in kept), key=lambda d: str(d.name.value))
    return HEADER + "\n" + "\n\n".join(print_ast(d) for d in kept) + "\n"


def _kept(definition: Any, keep: frozenset[str]) -> bool:
    is_type = definition.kind.endswith("_type_definition")
    return is_type and definition.name.value in keep


def _names(definition: Any) -> frozenset[str]:
    return frozenset(field.name.value for field in definition.fields or ())


def _bare(node: Any, **changes: Any) -> Any:
    """Return the node without description and directives."""
    return dataclasses.replace(node, description=None, directives=(), **changes)


def _pruned(definition: Any, keep: frozenset[str], promised: dict[str, frozenset[str]]) -> Any:
    """Return the definition without what refers to types that do not stay."""
    changes: dict[str, Any] = {}
    if definition.kind == "union_type_definition":
        changes["types"] = tuple(t for t in definition.types if t.name.value in keep)
    if definition.kind == "enum_type_definition":
        changes["values"] = tuple(_bare(value) for value in definition.values)
    if getattr(definition, "interfaces", None):
        kept = tuple(i for i in definition.interfaces if i.name.value in keep)
        changes["interfaces"] = kept
    if getattr(definition, "fields", None):
        only = ONLY.get(definition.name.value)
        if only is not None:
            own = [promised[i.name.value] for i in changes.get("interfaces", ())]
            only = only.union(*own)
        changes["fields"] = tuple(_fields(definition.fields, keep, only))
    return _bare(definition, **changes)


def _fields(fields: Iterable[Any], keep: frozenset[str], only: frozenset[str] | None) -> Any:
    for field in fields:
        if _named(field.type) not in keep or (only is not None and field.name.value not in only):
            continue
        if isinstance(field, FieldDefinitionNode):
            kept = [_bare(a) for a in field.arguments or () if _named(a.type) in keep]
            yield _bare(field, arguments=tuple(kept))
        else:
            yield _bare(field)


def _named(node: TypeNode) -> str:
    while not isinstance(node, NamedTypeNode):
        node = node.type  # type: ignore[attr-defined]
    return node.name.value


def main() -> None:
    """Read the full schema named on the command line and write the cut."""
    full = parse(Path(sys.argv[1]).read_text(encoding="utf-8"), no_location=True)
    CUT.write_text(cut(full), encoding="utf-8")


if __name__ == "__main__":
    main()
