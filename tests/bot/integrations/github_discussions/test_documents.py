"""What is sent to GitHub is valid against its schema, and nothing else is sent."""

from __future__ import annotations

import pytest
from graphql import parse, validate

from bot.integrations.github_discussions import documents
from tests.bot.integrations.github_discussions import effects
from tests.bot.integrations.github_discussions.conftest import World
from tests.fakes.github import real_problems, real_schema
from tests.fakes.github.schema import cut_schema

ALL = documents.QUERIES + documents.MUTATIONS


@pytest.mark.parametrize("document", ALL)
def test_every_document_is_valid_against_the_part_of_the_schema_that_is_kept(document: str) -> None:
    assert validate(cut_schema(), parse(document)) == []


@pytest.mark.slow
def test_every_document_is_valid_against_the_whole_schema() -> None:
    if real_schema() is None:
        pytest.skip("GitHub's whole schema is not beside the project (K2C_GITHUB_SCHEMA)")
    assert real_problems(ALL) == []


def test_every_document_of_the_file_is_in_its_lists() -> None:
    written = {v for v in vars(documents).values() if isinstance(v, str) and "($" in v[:30]}
    assert written == set(ALL)


async def test_only_these_documents_are_sent(world: World) -> None:
    made = world.fake.add_discussion(title="T", body="b", author="k2c-bot", comments=["c"])
    async with world.bot() as bot:
        await bot.enqueue(
            effects.post(), effects.edit(made.id, "k"), effects.labels(made.id, "kernels"),
            effects.comment(made.id),
        )  # fmt: skip
        await bot.ended("gh:a:new", "gh:a:edit:1", "gh:a:label:1", "gh:a:comment")
        await bot.service.adopt()
        await bot.service.discussions_since(0)
        await bot.service.comments_of(made.id)
    assert world.fake.documents <= set(ALL) and len(world.fake.documents) >= 8
