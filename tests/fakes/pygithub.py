"""A real PyGithub client on the fake GitHub, used from a thread as the bot uses it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import github as pygithub

from tests.fakes.github import Discussion, FakeGitHub

T = TypeVar("T")
CREATED = "discussion { id number title url author { login __typename } }"
LIST = """query($owner: String!, $name: String!, $first: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    discussions(first: $first, after: $after, orderBy: {field: CREATED_AT, direction: DESC}) {
      nodes { id number } pageInfo { hasNextPage endCursor }
    }
  }
}"""


@contextlib.contextmanager
def client(fake: FakeGitHub, **options: Any) -> Iterator[pygithub.Github]:
    """Connect with one try, no waiting and a short timeout; ``options`` replace these."""
    given: dict[str, Any] = {
        "auth": pygithub.Auth.Token(fake.token), "base_url": fake.api_base, "retry": None,
        "timeout": 5, "seconds_between_requests": None, "seconds_between_writes": None,
    }  # fmt: skip
    hub = pygithub.Github(**(given | options))
    try:
        yield hub
    finally:
        hub.close()


async def away(call: Callable[..., T], *args: Any) -> T:
    """Run a blocking call in a thread."""
    return await asyncio.to_thread(call, *args)


def query(hub: pygithub.Github, document: str, **variables: Any) -> Any:
    """Send a query and return its data."""
    return hub.requester.graphql_query(document, variables)[1]["data"]


def mutate(hub: pygithub.Github, name: str, want: str = "clientMutationId", **given: Any) -> Any:
    """Send a mutation and return its payload."""
    return hub.requester.graphql_named_mutation(name, given, want)[1]


def create(
    hub: pygithub.Github, fake: FakeGitHub, title: str = "One", body: str = "text",
    category: str = "General",
) -> Any:  # fmt: skip
    """Create a discussion and return it as a dict."""
    given = {"repositoryId": fake.repository_id, "categoryId": fake.category(category).id}
    return mutate(hub, "createDiscussion", CREATED, title=title, body=body, **given)["discussion"]


def page(hub: pygithub.Github, fake: FakeGitHub, first: int, after: str | None = None) -> Any:
    """Return a page of discussions, newest first."""
    owner, _, name = fake.repository.partition("/")
    found = query(hub, LIST, owner=owner, name=name, first=first, after=after)
    return found["repository"]["discussions"]


def error_of(error: pygithub.GithubException) -> dict[str, Any]:
    """Return the only entry of ``errors`` in the answer."""
    assert isinstance(error.data, dict)
    (only,) = error.data["errors"]
    assert isinstance(only, dict)
    return only


def titles(discussions: list[Discussion]) -> list[str]:
    """Return what the discussions are called."""
    return [one.title for one in discussions]
