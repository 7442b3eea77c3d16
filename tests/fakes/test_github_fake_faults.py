"""The fake GitHub's faults against the real PyGithub: each form, with the change made or not."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import github as pygithub
import pytest
import requests

from tests.fakes.github import KINDS, FakeGitHub
from tests.fakes.pygithub import away, client, create, error_of, mutate, page, titles

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# What PyGithub makes of each form; partial and slow are told apart below.
RAISED: dict[str, type[Exception]] = {
    "502": pygithub.GithubException,
    "timeout": requests.exceptions.ReadTimeout,
    "reset": requests.exceptions.ConnectionError,
    "truncated": requests.exceptions.ChunkedEncodingError,
    "html": AttributeError,
    "partial": pygithub.GithubException,
    "rate_limited_200": pygithub.GithubException,
    "403_retry_after": pygithub.RateLimitExceededException,
    "429_retry_after": pygithub.GithubException,
    "401": pygithub.BadCredentialsException,
    "slow": requests.exceptions.ReadTimeout,
}


@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"timeout", "slow"}))
async def test_each_fault_breaks_the_answer_and_makes_the_change_or_not(
    github: FakeGitHub, kind: Any, applied: bool
) -> None:
    fault = github.faults.add("createDiscussion", kind, applied=applied)
    with client(github) as hub:
        with pytest.raises(RAISED[kind]):
            await away(create, hub, github, "lost")
        assert titles(github.discussions) == ["lost"] * applied and fault.hits == 1
        assert [call.applied for call in github.mutations] == [applied]
        await away(create, hub, github, "next")
    assert titles(github.discussions) == ["lost"] * applied + ["next"]
    assert not github.violations


@pytest.mark.slow
@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
async def test_a_timeout_hangs_until_the_client_gives_up(github: FakeGitHub, applied: bool) -> None:
    github.faults.add("createDiscussion", "timeout", applied=applied)
    with client(github, timeout=1) as hub:
        with pytest.raises(requests.exceptions.ReadTimeout):
            await away(create, hub, github)
        await github.wait_for(lambda: github.calls[0].ended)
        assert github.calls[0].status == 0 and len(github.discussions) == applied
    with client(github) as hub:
        await away(create, hub, github)
    assert github.most_in_flight_mutations == 1


async def test_a_timeout_ends_by_itself_after_hang_s(github: FakeGitHub) -> None:
    github.hang_s = 0.05
    github.faults.add("createDiscussion", "timeout")
    with client(github) as hub, pytest.raises(requests.exceptions.ConnectionError):
        await away(create, hub, github)


@pytest.mark.slow
async def test_a_slow_change_is_made_after_the_client_has_given_up(github: FakeGitHub) -> None:
    github.faults.add("createDiscussion", "slow", delay_s=3)
    with client(github, timeout=1) as hub, pytest.raises(requests.exceptions.ReadTimeout):
        await away(create, hub, github)
    assert not github.discussions
    await github.wait_for(lambda: github.discussions)


async def test_a_slow_answer_comes_whole(github: FakeGitHub) -> None:
    github.faults.add("createDiscussion", "slow", applied=True, delay_s=0.05)
    with client(github) as hub:
        made = await away(create, hub, github)
    assert made["number"] == 1


async def test_an_error_beside_data_leaves_the_result_in_the_exception(github: FakeGitHub) -> None:
    github.faults.add("createDiscussion", "partial", applied=True)
    with client(github) as hub, pytest.raises(pygithub.GithubException) as raised:
        await away(create, hub, github)
    made: Any = raised.value.data
    assert made["data"]["createDiscussion"]["discussion"]["id"] == github.discussions[0].id
    assert error_of(raised.value)["type"] == "RESOURCE_LIMITS_EXCEEDED"


async def test_limits_say_when_to_come_back(github: FakeGitHub) -> None:
    github.faults.add("createDiscussion", "403_retry_after", retry_after_s=7)
    github.faults.add("createDiscussion", "429_retry_after", retry_after_s=8)
    github.faults.add("createDiscussion", "rate_limited_200", retry_after_s=90)
    headers: list[Any] = []
    with client(github) as hub:
        for _ in range(3):
            with pytest.raises(pygithub.GithubException) as raised:
                await away(create, hub, github)
            headers.append(raised.value.headers)
    assert [h.get("retry-after") for h in headers] == ["7", "8", None]
    assert headers[2]["x-ratelimit-remaining"] == "0"
    assert time.time() + 60 < int(headers[2]["x-ratelimit-reset"]) < time.time() + 92
    assert error_of(raised.value)["type"] == "RATE_LIMITED" and not github.discussions


async def test_the_points_of_an_hour_run_out_and_come_back(github: FakeGitHub) -> None:
    github.limits.exhaust()
    with client(github) as hub:
        with pytest.raises(pygithub.GithubException) as graph:
            await away(page, hub, github, 1)
        with pytest.raises(pygithub.RateLimitExceededException):
            await away(hub.get_user().update)
        github.limits.exhaust(reset_in_s=0)
        await away(page, hub, github, 1)
    assert graph.value.status == 400 and error_of(graph.value)["type"] == "RATE_LIMITED"


async def test_content_made_too_fast_is_refused_where_that_is_switched_on(
    github: FakeGitHub,
) -> None:
    github.limits.content_per_minute = 2
    with client(github) as hub:
        for _ in range(2):
            await away(create, hub, github)
        with pytest.raises(pygithub.GithubException) as refused:
            await away(create, hub, github)
    assert error_of(refused.value)["message"] == "was submitted too quickly"
    assert len(github.discussions) == 2


async def test_pygithubs_default_retry_posts_one_discussion_eleven_times(
    github: FakeGitHub,
) -> None:
    github.faults.add("createDiscussion", "502", applied=True, times=100)
    replaying = pygithub.Github.default_retry
    with client(github, retry=replaying) as hub, pytest.raises(Exception, match="502"):
        await away(create, hub, github)
    assert titles(github.discussions) == ["One"] * 11


async def test_without_retry_it_posts_once(github: FakeGitHub) -> None:
    github.faults.add("createDiscussion", "502", applied=True, times=100)
    with client(github) as hub, pytest.raises(pygithub.GithubException):
        await away(create, hub, github)
    assert titles(github.discussions) == ["One"]


@pytest.mark.parametrize("applied", [False, True])
async def test_a_fault_meets_a_written_file(github: FakeGitHub, applied: bool) -> None:
    github.faults.add("PUT contents", "502", applied=applied)
    with client(github) as hub:
        repo = await away(hub.get_repo, github.repository)
        with pytest.raises(pygithub.GithubException):
            await away(lambda: repo.create_file("a.png", "m", b"x"))
    assert ("a.png" in github.files) is applied


async def test_faults_pick_their_calls_by_name_and_turn(github: FakeGitHub) -> None:
    github.faults.add("addLabels*", "502")
    github.faults.add("createDiscussion", "502", skip=1)
    with client(github) as hub:
        await away(page, hub, github, 1)
        await away(create, hub, github)
        with pytest.raises(pygithub.GithubException):
            await away(create, hub, github)
    assert len(github.discussions) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_hold_stops_a_call_before_or_after_the_change(
    github: FakeGitHub, when: Any
) -> None:
    hold = github.hold("createDiscussion", when)
    with client(github) as hub:
        asked = asyncio.create_task(away(create, hub, github))
        call = await hold.reached()
        assert call.input["title"] == "One" and len(github.discussions) == (when == "after")
        hold.release()
        made = await asked
    assert made["number"] == 1 and len(github.discussions) == 1


async def test_a_dropped_hold_never_makes_the_change(github: FakeGitHub) -> None:
    hold = github.hold("createDiscussion")
    with client(github) as hub:
        asked = asyncio.create_task(away(create, hub, github))
        await hold.reached()
        hold.drop()
        with pytest.raises(requests.exceptions.ConnectionError):
            await asked
        assert not github.discussions
        await away(create, hub, github)
    assert len(github.discussions) == 1


KILLED = """
import sys
from tests.fakes.github import FakeGitHub
from tests.fakes.pygithub import client, create
fake = FakeGitHub(port=int(sys.argv[1]))
with client(fake, timeout=30) as hub:
    create(hub, fake)
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_process_killed_at_a_hold_leaves_nothing_under_way(
    github: FakeGitHub, when: Any
) -> None:
    hold = github.hold("createDiscussion", when)
    port = github.api_base.rpartition(":")[2]
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, port, cwd=ROOT)
    await hold.reached()
    child.kill()
    await child.wait()
    hold.release()
    await github.wait_for(lambda: github.calls[0].ended)
    with client(github) as hub:
        await away(create, hub, github, "after the kill")
    assert titles(github.discussions) == ["One", "after the kill"]
    assert github.most_in_flight_mutations == 1


async def test_mutations_under_way_together_are_counted(github: FakeGitHub) -> None:
    hold = github.hold("createDiscussion", "after")
    with client(github) as one, client(github) as other:
        first = asyncio.create_task(away(create, one, github))
        await hold.reached()
        await away(create, other, github)
        hold.release()
        await first
    assert github.most_in_flight_mutations == 2


async def test_labels_that_do_not_exist_are_not_found(github: FakeGitHub) -> None:
    topic = github.add_discussion(title="A", body="x")
    given: dict[str, Any] = {"labelableId": topic.id, "labelIds": ["LA_none"]}
    with client(github) as hub, pytest.raises(pygithub.UnknownObjectException):
        await away(lambda: mutate(hub, "addLabelsToLabelable", **given))
    assert topic.labels == []
