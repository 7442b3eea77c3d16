"""GitHub: is the account taken, does the repository take posts, do the topics have categories."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bot.doctor.finding import Finding, place
from bot.integrations.github_discussions.client import GitHubClient
from bot.integrations.github_discussions.connection import Credentials, KeyUnreadable, read_key
from bot.integrations.github_discussions.errors import Denied, Missing
from bot.integrations.github_discussions.repository import BOT, Known, Repository
from bot.outbox import Later
from config.settings import Settings
from content.site import load_site

CALL_S = 4  # whole seconds: the library takes no others
FEW = 0.1  # of an hour's requests
CLASSIC = ("repo", "public_repo", "write:discussion")
GUIDE = "docs/github.md says how."


async def examine_github(settings: Settings) -> list[Finding]:
    """The account first; then the repository, its categories, its limits and the pictures."""
    credentials = Credentials.of(settings)
    off = _not_set(settings, credentials)
    if off is not None:
        return [off]
    client = GitHubClient(credentials, timeout_s=CALL_S)
    try:
        if credentials.is_app:
            await asyncio.to_thread(read_key, credentials)
        return [found async for found in _ask(settings, client)]
    except KeyUnreadable as error:
        return [_problem("github", str(error))]
    finally:
        await client.close()


def _not_set(settings: Settings, credentials: Credentials) -> Finding | None:
    app = (settings.github_app_id, settings.github_installation_id)
    if any(app) and not credentials.given:
        fix = (
            "An App needs GITHUB_APP_ID, GITHUB_INSTALLATION_ID and GITHUB_APP_PRIVATE_KEY(_FILE)."
        )
        return Finding("github", "problem", "The App's settings are not complete.", fix)
    if not credentials.given:
        fix = f"Set GITHUB_REPOSITORY and GITHUB_TOKEN, or an App's settings. {GUIDE}"
        return Finding("github", "off", "GITHUB_TOKEN is not set.", fix)
    if not settings.github_repository:
        fix = "Set it to the owner/name whose Discussions are used."
        return Finding("github", "off", "GITHUB_REPOSITORY is not set.", fix)
    return None


async def _ask(settings: Settings, client: GitHubClient) -> AsyncIterator[Finding]:
    house = Repository(client, settings.github_repository)
    try:
        known = await house.look()
    except Later as later:
        if house.login:
            yield _account(settings, house)
        yield _problem("github repository" if house.login else "github", str(later))
        return
    yield _account(settings, house)
    yield Finding("github repository", "ok", f"{house.name} takes Discussions.")
    yield _rights(client, known)
    yield _categories(house, known)
    yield _limits(client)
    if settings.github_pictures:
        yield await _pictures(client, settings.github_pictures)


def _account(settings: Settings, house: Repository) -> Finding:
    who = f"the App {house.login.removesuffix(BOT)}" if house.client.is_app else house.login
    sentence = f"GitHub knows us as {who}, at {place(settings.github_api_base)}."
    return Finding("github", "ok", sentence)


def _rights(client: GitHubClient, known: Known) -> Finding:
    part = "github permissions"
    if client.is_app:
        granted = client.permissions
        if granted.get("discussions") != "write":
            fix = "In the App's settings give it Discussions: read and write, and accept it."
            return Finding(part, "problem", "The App may not post Discussions.", fix)
        return Finding(part, "ok", "The App may read and write Discussions.")
    scopes = [scope for scope in client.scopes if scope]
    if scopes and not set(scopes) & set(CLASSIC):
        fix = "Make a new one with the scope public_repo (repo for a private repository)."
        return Finding(part, "problem", "The token's scopes do not let it post.", fix)
    if known.permission == "READ":
        sentence = "The account can read only: posts go out without labels, and none into"
        fix = "Give it the Write role in the repository (Triage, if labels are enough)."
        return Finding(part, "problem", f"{sentence} categories of the Announcement format.", fix)
    return Finding(part, "ok", f"The account's role is {known.permission.lower() or 'unknown'}.")


def _categories(house: Repository, known: Known) -> Finding:
    names = [topic.name for topic in load_site().topics]
    missing = [name for name in names if name.lower() not in known.categories]
    if not missing:
        return Finding("github categories", "ok", "Every topic has a category of its name.")
    sentence = f"{house.name} has no category named {', '.join(missing)}."
    fix = "Make them there, or say with /config category where these topics go."
    return Finding("github categories", "problem", sentence, fix)


def _limits(client: GitHubClient) -> Finding:
    left, limit, _ = client.rate
    sentence = f"{left:,} of {limit:,} requests are left this hour."
    if left < limit * FEW:
        fix = "Something else uses the same account; give the bot one of its own."
        return Finding("github limits", "problem", sentence, fix)
    return Finding("github limits", "ok", sentence)


async def _pictures(client: GitHubClient, where: str) -> Finding:
    repository, _, branch = where.partition("@")
    part, check = "github pictures", "Check GITHUB_PICTURES."
    try:
        _, found = await client.get(f"/repos/{repository}")
        await client.get(f"/repos/{repository}/branches/{branch}")
    except (Missing, Denied):
        return Finding(part, "problem", f"GitHub shows no branch {where} to the bot.", check)
    except Later as later:
        return _problem(part, str(later))
    if found.get("private"):
        sentence, fix = "is private, so its pictures cannot be seen.", "Use a public repository."
    elif found.get("archived"):
        sentence, fix = "is archived and takes no pictures.", check
    elif not (found.get("permissions") or {}).get("push"):
        sentence = "may not be written to."
        fix = "Give the token or the App Contents: read and write there."
    else:
        return Finding(part, "ok", f"Pictures are stored in {where}.")
    return Finding(part, "problem", f"{repository} {sentence}", fix)


def _problem(part: str, sentence: str) -> Finding:
    """A sentence of the integration, which says after a colon what to do."""
    what, colon, fix = sentence.partition(": ")
    if not colon:
        return Finding(part, "problem", _full(what), "Try again; check GITHUB_API_BASE.")
    return Finding(part, "problem", _full(what), _full(fix[:1].upper() + fix[1:]))


def _full(words: str) -> str:
    return words.rstrip(".") + "."
