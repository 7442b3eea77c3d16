"""A GitHub that takes Discussions and files, and remembers what it took."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.outbox import Effect, Later, Never, Outbox, Receipt
from bot.posting import DiscussionPost, RepositoryFile


@dataclass
class GitHub:
    """While ``error`` is set every attempt meets it."""

    error: Later | Never | None = None
    posts: dict[str, DiscussionPost] = field(default_factory=dict)
    files: dict[str, RepositoryFile] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    tries: int = 0

    def register(self, outbox: Outbox) -> None:
        """Take its two kinds of effect."""
        for kind in ("github.discussion", "github.file"):
            outbox.register(kind, self, send_limit_s=1.0, grace_s=1.2)

    async def send(self, effect: Effect) -> Receipt:
        """Take one."""
        self.tries += 1
        if self.error is not None:
            raise self.error
        assert effect.key not in self.order, f"{effect.key} was posted twice"
        self.order.append(effect.key)
        if effect.kind == "github.file":
            self.files[effect.key] = RepositoryFile.model_validate(effect.payload)
            return {"url": self.files[effect.key].path}
        post = DiscussionPost.model_validate(effect.payload)
        self.posts[effect.key] = post
        number = 40 + len(self.posts)
        url = f"https://github.com/mlsystems/site/discussions/{number}"
        return {"id": f"D_{number}", "number": number, "url": url, "category": post.category}

    async def find(self, effect: Effect, since: float) -> Receipt | None:
        """Nothing here is ever left unknown but by a kill before it was taken."""
        assert effect.key not in self.order
        return None

    async def took(self, count: int = 1) -> DiscussionPost:
        """Wait for that many Discussions; the last."""
        await until(lambda: len(self.posts) >= count)
        return list(self.posts.values())[-1]


async def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait for a state."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
