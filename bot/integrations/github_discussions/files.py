"""The outbox's sender for pictures: files in the picture repository, by the contents API.

GitHub has no interface that takes a picture for a post. The path holds the picture's hash, so the
same one is stored once, and another one has another address.
"""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote

from bot.integrations.github_discussions.client import GitHubClient, Unclear
from bot.integrations.github_discussions.errors import Denied, Missing, tell
from bot.outbox import Effect, Later, Never, Receipt
from bot.posting import RepositoryFile

MOVED = 409  # the branch went on meanwhile
TAKEN = (MOVED, 422)  # or it is there already


class Files:
    """github.file: ``place`` is owner/name@branch, "" where none is configured."""

    def __init__(self, client: GitHubClient, place: str) -> None:
        self._client = client
        self._place = place
        self._repository, _, self._branch = place.partition("@")

    async def send(self, effect: Effect) -> Receipt:
        """Store it, unless it is there."""
        file = RepositoryFile.model_validate(effect.payload)
        if not self._place:
            raise Never("no repository for pictures is configured (GITHUB_PICTURES)")
        if ".." in file.path.split("/"):
            raise Never("the path of the picture leaves its repository")
        body = {"message": file.message, "content": file.content, "branch": self._branch}
        try:
            made = await self._client.put(self._path(file), body, "files")
        except (Denied, Missing) as error:
            raise self._refused(error) from error
        except Exception as error:
            if getattr(error, "status", None) not in TAKEN:
                raise
            return await self._stored(file, error)
        content = made.get("content")
        if not isinstance(content, dict):
            raise Unclear("the answer names no file")
        return {"url": _address(content)}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """The file itself, if it is there."""
        file = RepositoryFile.model_validate(effect.payload)
        if not self._place:
            return None
        try:
            _, content = await self._client.get(self._path(file), {"ref": self._branch})
        except Missing:
            return None
        except Denied as error:
            raise self._refused(error) from error
        return {"url": _address(content)} if _same(content, file) else None

    async def _stored(self, file: RepositoryFile, refusal: Exception) -> Receipt:
        """What to make of "it is there already"."""
        try:
            _, content = await self._client.get(self._path(file), {"ref": self._branch})
        except Missing:
            if getattr(refusal, "status", None) == MOVED:
                raise Later("the branch of the pictures moved on meanwhile") from refusal
            raise Never(tell(refusal)) from refusal
        if not _same(content, file):
            raise Never(f"another file is stored as {file.path}") from refusal
        return {"url": _address(content)}

    def _path(self, file: RepositoryFile) -> str:
        return f"/repos/{self._repository}/contents/{quote(file.path.lstrip('/'))}"

    def _refused(self, error: Exception) -> Later:
        return self._client.holds.hold(
            "files",
            f"Pictures cannot be stored in {self._place} ({error}): check GITHUB_PICTURES, that the"
            " branch exists, and give the token or the App Contents: read and write there.",
        )


def _same(content: object, file: RepositoryFile) -> bool:
    """Whether GitHub's file is ours, by the SHA-1 that git gives its content."""
    data = base64.b64decode(file.content)
    sha = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()
    return isinstance(content, dict) and content.get("sha") == sha


def _address(content: dict[str, object]) -> str:
    """Where the bytes are, without the passing token that private repositories add."""
    raw = str(content.get("download_url") or "").partition("?")[0]
    return raw or f"{content.get('html_url')}?raw=true"
