"""Files of repositories, for articles that are kept on GitHub: one tree, and blobs by their SHA."""

from __future__ import annotations

import base64
import binascii
import time
from urllib.parse import quote

from bot.integrations.github_discussions.client import GitHubClient
from bot.integrations.github_discussions.errors import Denied, Missing
from bot.integrations.github_discussions.words import GitHubUnread, Tree
from bot.outbox import Later

BRANCH_S = 3600.0  # the name of a default branch hardly ever changes
LARGEST_BLOB = 5 * 2**20


class Trees:
    """Reads any repository that the account may see. Raises ``GitHubUnread``."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._branches: dict[str, tuple[str, float]] = {}

    async def tree(self, repo: str, branch: str, path: str, etag: str) -> Tree:
        """The files under ``path`` ("" all); ``branch`` "" is the default one."""
        place = f"{repo}@{branch}" if branch else repo
        try:
            name = branch or await self._default_branch(repo)
            address = f"/repos/{repo}/git/trees/{quote(name, safe='')}"
            headers, found = await self._client.get(address, {"recursive": "1"}, etag)
        except (Later, Denied, Missing) as error:
            raise GitHubUnread(_why(place, error)) from error
        if found is None:
            return Tree(etag, unchanged=True)
        if not isinstance(found, dict) or not isinstance(found.get("tree"), list):
            raise GitHubUnread(f"GitHub's list of the files of {place} cannot be read.")
        if found.get("truncated"):
            raise GitHubUnread(
                f"{place} has more files than GitHub lists at once (100,000): keep the articles in"
                " a smaller repository, or read a checkout of it as a directory."
            )
        below = path.strip("/") + "/" if path.strip("/") else ""
        files = {
            str(entry["path"]): str(entry["sha"])
            for entry in found["tree"]
            if entry.get("type") == "blob"
            and (str(entry["path"]).startswith(below) or entry["path"] + "/" == below)
        }
        return Tree(headers.get("etag", ""), files=files)

    async def blob(self, repo: str, sha: str) -> bytes:
        """The content of one file."""
        try:
            _, found = await self._client.get(f"/repos/{repo}/git/blobs/{quote(sha, safe='')}")
        except (Later, Denied, Missing) as error:
            raise GitHubUnread(_why(repo, error)) from error
        if not isinstance(found, dict) or found.get("encoding") != "base64":
            raise GitHubUnread(f"A file of {repo} cannot be read.")
        if int(found.get("size") or 0) > LARGEST_BLOB:
            raise GitHubUnread(f"A file of {repo} is larger than 5 MiB.")
        try:
            return base64.b64decode(str(found["content"]))
        except (KeyError, binascii.Error):
            raise GitHubUnread(f"A file of {repo} cannot be read.") from None

    async def _default_branch(self, repo: str) -> str:
        name, until = self._branches.get(repo, ("", 0.0))
        if time.monotonic() < until:
            return name
        _, found = await self._client.get(f"/repos/{repo}")
        name = str(found.get("default_branch") or "") if isinstance(found, dict) else ""
        if not name:
            raise Missing("it has no default branch")
        self._branches[repo] = (name, time.monotonic() + BRANCH_S)
        return name


def _why(place: str, error: Exception) -> str:
    if isinstance(error, Missing):
        return f"GitHub shows no {place} to the bot ({error}): check its name, branch and access."
    return f"{place} cannot be read now: {str(error).rstrip('.')}."
