"""The cut of GitHub's schema: a true part of the real one, and what is sent fits both."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLSchema, find_breaking_changes, parse, validate_schema

from tests.fakes.github import FakeGitHub, real_problems, real_schema
from tests.fakes.github.mutations import MUTATIONS
from tests.fakes.github.resolvers import FIELDS
from tests.fakes.github.schema import cut_schema, real_path
from tests.fakes.github.schema_cut import CUT, cut
from tests.fakes.pygithub import away, client, create, mutate, page


@pytest.fixture
def real() -> GraphQLSchema:
    schema = real_schema()
    if schema is None:
        pytest.skip(f"GitHub's schema is not at {real_path()}")
    return schema


def test_the_cut_is_small_and_sound() -> None:
    assert CUT.stat().st_size < 60_000
    assert validate_schema(cut_schema()) == []


def test_every_resolver_and_mutation_belongs_to_a_field_of_the_schema() -> None:
    types: dict[str, Any] = cut_schema().type_map
    unknown = [f"{kind}.{name}" for kind, fields in FIELDS.items()
               for name in fields if name not in types[kind].fields]  # fmt: skip
    assert unknown == [] and set(types["Mutation"].fields) == set(MUTATIONS)


@pytest.mark.slow
def test_the_cut_is_a_part_of_the_real_schema(real: GraphQLSchema) -> None:
    # going from the cut to the real one breaks nobody's document
    assert find_breaking_changes(cut_schema(), real) == []


@pytest.mark.slow
def test_the_cut_is_what_its_script_makes(real: GraphQLSchema) -> None:
    full = parse(real_path().read_text(encoding="utf-8"), no_location=True)
    assert CUT.read_text(encoding="utf-8") == cut(full)


@pytest.mark.slow
async def test_what_is_valid_here_is_valid_on_github(
    real: GraphQLSchema, github: FakeGitHub
) -> None:
    with client(github) as hub:
        made = await away(create, hub, github)
        await away(page, hub, github, 5)
        await away(lambda: mutate(hub, "closeDiscussion", discussionId=made["id"]))
        await away(lambda: hub.get_repo(github.repository).get_discussion(1, "id title"))
    assert len(github.documents) == 4 and real_problems(github.documents) == []
    assert real_problems(["{ viewer { nickname } }"]) != []
