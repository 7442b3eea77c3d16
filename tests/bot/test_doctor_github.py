"""What the doctor says of GitHub: account, repository, categories, limits; never a secret."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.doctor.finding import Finding
from bot.doctor.github import examine_github
from config.settings import Settings, load_settings
from tests.fakes.github import FakeGitHub


@pytest.fixture
async def fake() -> AsyncIterator[FakeGitHub]:
    async with FakeGitHub() as server:
        yield server
        assert server.violations == []
        assert not any(call.changes for call in server.calls), "the doctor changes nothing"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for info in Settings.model_fields.values():
        monkeypatch.delenv(str(info.validation_alias), raising=False)


async def ask(fake: FakeGitHub, **changes: Any) -> dict[str, Finding]:
    plain = {
        "github_token": fake.token,
        "github_api_base": fake.api_base,
        "github_repository": fake.repository,
    }
    found = await examine_github(load_settings(**(plain | changes)))
    assert fake.token not in repr(found) and "PRIVATE KEY-----" not in repr(found)
    assert all(one.state == "ok" or one.fix for one in found)
    assert all(one.sentence.endswith(".") for one in found)
    return {one.part: one for one in found}


def app(fake: FakeGitHub) -> dict[str, Any]:
    return {
        "github_token": None,
        "github_app_id": str(fake.app.id),
        "github_installation_id": str(fake.app.installation_id),
        "github_app_private_key": fake.app.private_key,
    }


async def test_all_is_well(fake: FakeGitHub) -> None:
    found = await ask(fake, github_pictures="mlsystems/site@main")
    assert [one.state for one in found.values()] == ["ok"] * 6
    assert "k2c-bot" in found["github"].sentence and "write" in found["github permissions"].sentence
    assert "of 5,000 requests" in found["github limits"].sentence


async def test_an_app_is_well_too(fake: FakeGitHub) -> None:
    found = await ask(fake, **app(fake))
    assert {one.state for one in found.values()} == {"ok"}
    assert "the App k2c-bot," in found["github"].sentence


@pytest.mark.parametrize(
    ("settings", "state", "named"),
    [
        ({"github_token": None}, "off", "GITHUB_TOKEN"),
        ({"github_repository": ""}, "off", "GITHUB_REPOSITORY"),
        ({"github_token": None, "github_app_id": "1"}, "problem", "not complete"),
        ({"github_token": "ghp_other"}, "problem", "refuses the token"),
        ({"github_repository": "nobody/nothing"}, "problem", "shows no repository nobody/nothing"),
        ({"github_api_base": "http://127.0.0.1:9"}, "problem", "cannot be reached"),
    ],
)
async def test_settings_that_do_not_work_are_named(
    fake: FakeGitHub, settings: dict[str, Any], state: str, named: str
) -> None:
    *_, last = (await ask(fake, **settings)).values()
    assert last.state == state and named in last.sentence


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"github_app_private_key": "rubbish"}, "holds no private key"),
        ({"github_app_private_key": None, "github_app_private_key_file": "/no.pem"}, "be read"),
        ({"github_app_id": "1"}, "refuses the App"),
    ],
)
async def test_an_app_s_key_that_does_not_work_is_named(
    fake: FakeGitHub, settings: dict[str, Any], named: str
) -> None:
    found = await ask(fake, **(app(fake) | settings))
    assert found["github"].state == "problem" and named in found["github"].sentence


async def test_an_archived_repository_and_closed_discussions_are_named(fake: FakeGitHub) -> None:
    fake.archived = True
    found = await ask(fake)
    assert found["github"].state == "ok" and "archived" in found["github repository"].sentence
    assert found["github repository"].fix.startswith("Unarchive it")
    fake.archived, fake.discussions_enabled = False, False
    found = await ask(fake)
    assert "turned off" in found["github repository"].sentence


async def test_topics_without_a_category_are_named(fake: FakeGitHub) -> None:
    gone = fake.categories[2]
    fake.categories.remove(gone)
    found = await ask(fake)
    assert found["github categories"].state == "problem"
    assert found["github categories"].sentence.endswith(f"no category named {gone.name}.")
    assert "/config category" in found["github categories"].fix


async def test_rights_that_lack_are_named(fake: FakeGitHub) -> None:
    fake.permissions["repository"] = "read"
    found = await ask(fake)
    assert "without labels" in found["github permissions"].sentence
    fake.permissions |= {"repository": "write", "discussions": "read"}
    found = await ask(fake, **app(fake))
    assert "may not post" in found["github permissions"].sentence


async def test_an_account_whose_hour_is_used_up_is_named(fake: FakeGitHub) -> None:
    fake.limits.used = 4_700
    assert (await ask(fake))["github limits"].state == "problem"
    fake.limits.exhaust()
    (only,) = (await ask(fake)).values()
    assert only.state == "problem" and "wait" in only.sentence


@pytest.mark.parametrize(
    ("place", "change", "named"),
    [
        ("mlsystems/site@gone", {}, "no branch mlsystems/site@gone"),
        ("mlsystems/site@main", {"private": True}, "is private"),
        ("mlsystems/site@main", {"permissions": {"repository": "triage"}}, "written to"),
    ],
)
async def test_pictures_that_could_not_be_stored_or_seen_are_named(
    fake: FakeGitHub, place: str, change: dict[str, Any], named: str
) -> None:
    for name, value in change.items():
        old = getattr(fake, name)
        setattr(fake, name, old | value if isinstance(value, dict) else value)
    found = await ask(fake, github_pictures=place)
    assert (
        found["github pictures"].state == "problem" and named in found["github pictures"].sentence
    )
