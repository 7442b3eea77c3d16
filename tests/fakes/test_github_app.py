"""The fake's GitHub App: tokens that are bought, expire and are refused, and two names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import aiohttp
import github as pygithub
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.github import FakeGitHub
from tests.fakes.pygithub import away, client, create, error_of, page, query

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def installed(github: FakeGitHub, key: str | None = None) -> Iterator[pygithub.Github]:
    """Connect as the app's installation."""
    app = pygithub.Auth.AppAuth(github.app.id, key or github.app.private_key)
    auth = app.get_installation_auth(github.app.installation_id)
    with client(github, auth=auth) as hub:
        auth.withRequester(hub.requester)
        yield hub


async def test_an_installation_posts_under_a_bots_name(github: FakeGitHub) -> None:
    with installed(github) as hub:
        made = await away(create, hub, github)
        viewer = await away(query, hub, "{ viewer { login } }")
        with pytest.raises(pygithub.GithubException) as nobody:
            await away(hub.get_user().update)
    payload = github.event("discussion.created", github.discussions[0])
    assert made["author"] == {"login": "k2c-bot", "__typename": "Bot"}
    assert viewer["viewer"]["login"] == "k2c-bot[bot]"
    assert payload["discussion"]["user"]["login"] == payload["sender"]["login"] == "k2c-bot[bot]"
    assert nobody.value.status == 403 and not github.violations


async def test_a_long_lived_token_is_bought_once(github: FakeGitHub) -> None:
    with installed(github) as hub:
        for _ in range(3):
            await away(page, hub, github, 1)
    bought = [call for call in github.calls if "POST access_tokens" in call.names]
    assert len(bought) == 1 and not bought[0].changes


async def test_a_token_near_its_end_is_bought_again(github: FakeGitHub) -> None:
    github.app.token_life_s = 10.0  # PyGithub renews 20 s before the end
    with installed(github) as hub:
        for _ in range(3):
            await away(page, hub, github, 1)
    assert len(github.app.issued) == 3


async def test_a_token_may_be_refused_before_its_time(github: FakeGitHub) -> None:
    with installed(github) as hub:
        await away(page, hub, github, 1)
        github.app.refuse_tokens()
        with pytest.raises(pygithub.BadCredentialsException):
            await away(page, hub, github, 1)
    with installed(github) as rebuilt:
        await away(page, rebuilt, github, 1)


async def test_a_wrong_key_buys_nothing(github: FakeGitHub) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with installed(github, other.decode()) as hub, pytest.raises(pygithub.GithubException) as bad:
        await away(page, hub, github, 1)
    assert bad.value.status == 401 and not github.app.issued


async def test_a_permission_the_app_lacks_is_named(github: FakeGitHub) -> None:
    github.permissions["discussions"] = "read"
    with installed(github) as hub, pytest.raises(pygithub.GithubException) as refused:
        await away(create, hub, github)
    assert error_of(refused.value)["message"] == "Resource not accessible by integration"


async def test_a_wrong_token_and_a_missing_user_agent_are_refused(github: FakeGitHub) -> None:
    headers = {"Authorization": "bearer wrong", "User-Agent": "k2c"}
    body = {"query": "{ viewer { login } }"}
    url = github.api_base + "/graphql"
    async with aiohttp.ClientSession(skip_auto_headers=["User-Agent"]) as session:
        async with session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 401
        del headers["User-Agent"]
        async with session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 403 and "User-Agent" in await answer.text()
    assert github.violations[0].problem == "no User-Agent"


async def test_an_unchanged_answer_costs_nothing_with_its_etag(github: FakeGitHub) -> None:
    url = f"{github.api_base}/repos/{github.repository}/git/trees/main"
    async with aiohttp.ClientSession(headers={"User-Agent": "k2c"}) as session:
        async with session.get(url) as first:
            etag = {"If-None-Match": first.headers["ETag"]}
        async with session.get(url, headers=etag) as same:
            assert same.status == 304
        used = github.limits.used
        github.files["new.md"] = b"x"
        async with session.get(url, headers=etag) as changed:
            assert changed.status == 200
    assert used == 1


async def test_links_lead_to_pages_and_bytes(github: FakeGitHub) -> None:
    topic = github.add_discussion(title="A & B", body="x")
    github.branches["results"] = {"a.png": b"\x89PNG"}
    raw = f"{github.api_base}/raw/{github.repository}/results/a.png"
    async with aiohttp.ClientSession() as session:
        async with session.get(topic.url) as page_answer:
            assert "A &amp; B" in await page_answer.text()
        async with session.get(raw) as file_answer:
            assert await file_answer.read() == b"\x89PNG"
        async with session.get(raw + "x") as nothing:
            assert nothing.status == 404
