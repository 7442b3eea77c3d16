"""Pages of what a community sees: an announcement, its settings, an answer among Discussions."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from bot.command import Command
from bot.commands.home.config.show import show
from bot.community.service import CommunityBook
from bot.community.words import (
    By,
    CategorySetting,
    ChannelSetting,
    LimitSetting,
    RoleSetting,
    Setting,
)
from bot.guild_command import Caller, GuildHouse
from bot.integrations.announcing.words import card
from bot.integrations.discord_client.channels.cards import card_view
from bot.integrations.discord_client.home.forms import message_of
from bot.integrations.discuss.result_body import Telling, answer_view, result_body, title_of
from bot.render import drawing
from bot.runner import Outcome
from bot.store import FILE_NAME, Store
from bot.view import View
from content.library import Library
from content.sources.article import Article
from content.sources.read import read_directory

ARTICLES = Path(__file__).parents[1] / "content" / "articles"
ARTICLE = "arithmetic-of-attention"
SITE, DISCUSSION = "https://mlsystems.dev", "https://github.com/mlsystems/site/discussions/41"
HOME = "1"
NAMES = {"10": "articles", "11": "kernels", "12": "bench", "13": "moderators",
         "20": "readers", "21": "contributors"}  # fmt: skip
SETTINGS: Sequence[Setting] = (
    ChannelSetting(HOME, "announcements", "10", thread=True),
    ChannelSetting(HOME, "announcements", "11", "quantization"),
    ChannelSetting(HOME, "results", "12"),
    ChannelSetting(HOME, "moderators", "13"),
    RoleSetting(HOME, "ping", "20", "inference"),
    RoleSetting(HOME, "post-results", "21"),
    CategorySetting(HOME, "quantization", "Kernels"),
    LimitSetting(HOME, "jobs", 5, "hour", "21"),
)
DAY = 1_795_392_000.0  # Unix seconds, under the answer: the same in every drawing
GITHUB_STYLE = """
body { background: #fff; color: #1f2328; font: 14px/1.5 'DejaVu Sans', sans-serif; margin: 0;
       padding: 16px; }
article { border: 1px solid #d1d9e0; border-radius: 6px; padding: 14px 16px; max-width: 720px; }
h1 { font-size: 22px; font-weight: 400; max-width: 750px } h2 { font-size: 18px; margin: 4px 0 }
h2 strong { font-weight: 600 } table { border-collapse: collapse; margin: 8px 0 }
td, th { border: 1px solid #d1d9e0; padding: 4px 12px } thead:not(:has(th:not(:empty))) {
display: none } img { max-width: 100% } a { color: #0969da; text-decoration: none }
pre { background: #f6f8fa; border-radius: 6px; padding: 10px; white-space: pre-wrap }
code { font: 12px 'DejaVu Sans Mono', monospace } sub { font-size: 12px; color: #59636e;
vertical-align: baseline } summary { font-weight: 600; margin: 8px 0 }
"""


@dataclass(frozen=True, slots=True)
class Places:
    """A server in which one channel was closed to the bot."""

    def lacking(self, channel_id: str, purpose: str, *, thread: bool = False) -> list[str]:
        """Send Messages, in that channel."""
        return ["Send Messages"] if channel_id == "11" else []

    def name_of(self, guild_id: str, id: str) -> str:
        """The channel's or role's name."""
        return NAMES.get(id, "")


def announcement() -> View:
    """The message about one of the articles that are there."""
    articles: list[Article] = read_directory(ARTICLES, SITE)[0]
    article = next(one for one in articles if one.slug == ARTICLE)
    return card_view(card(article, "Inference & Serving", DISCUSSION), f"dc:10:{ARTICLE}:new")


async def config_show() -> list[dict[str, Any]]:
    """The components of ``/config show`` in a server that is set up."""
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(Path(folder) / FILE_NAME)
        try:
            book = await CommunityBook.open(store, (int(HOME),))
            for setting in SETTINGS:
                await book.set(setting, By("7", "mia"))
            house = GuildHouse(book, Library(), Places(), waiting_in=_waiting)
            caller = Caller(
                HOME, "ML Systems", "9", "7", "mia", (), moderator=True, maintainer=True
            )
            made = message_of(await show(house, caller, {}), "")
            return list(made.layout.to_components())  # type: ignore[no-untyped-call]
        finally:
            await store.close()


async def _waiting(channel_id: str) -> int:
    return 2 if channel_id == "11" else 0


def discussion_page(command: Command, outcome: Outcome) -> str:
    """An answer that was posted, as GitHub renders its Markdown."""
    view = answer_view(command, outcome, "https://k2c.example.org")
    addresses = [f"https://k2c.example.org/{n}.png" for n, _ in enumerate(view.charts())]
    telling = Telling(
        "Alice", "Bob", DAY, "https://k2c.example.org/r/x", "", addresses,
        "https://k2c.example.org",
    )  # fmt: skip
    made = MarkdownIt("commonmark", {"html": True, "breaks": True})
    body = str(made.enable("table").render(result_body(command, outcome, telling)))
    for address, chart in zip(addresses, view.charts(), strict=True):
        picture = base64.b64encode(drawing.draw(chart)).decode()
        body = body.replace(address, f"data:image/png;base64,{picture}")
    head = f"<h1>{made.renderInline(title_of(command, view))}</h1>"
    style = f"<!doctype html><meta charset=utf-8><style>{GITHUB_STYLE}</style>"
    return f"{style}{head}<article>{body}</article>"
