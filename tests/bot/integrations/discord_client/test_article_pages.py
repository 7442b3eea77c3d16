"""Turning the pages of a list where it lies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.command import Command
from bot.commands.articles import COMMAND, ArticlesRequest, ArticlesResult, live
from bot.house import House
from bot.runner import Asker
from content.library import Library
from content.sources.article import Article
from tests.bot.integrations.discord_client.conftest import World
from tests.bot.integrations.discord_client.messages import labels


def article(number: int) -> Article:
    url = f"https://mlsystems.dev/blog/a{number}"
    day = datetime(2026, 1, 30 - number, tzinfo=UTC)
    title = f"Article {number:02}"
    return Article(key=url, slug="a", title=title, url=url, source="s", where="w", date=day)


def commands(many: int) -> dict[str, Command]:
    library = Library()
    library.replace(article(number) for number in range(many))

    async def from_here(house: House, request: ArticlesRequest, asker: Asker) -> ArticlesResult:
        return await live(House(library=library), request, asker)

    return {"articles": replace(COMMAND, live=from_here)}


async def test_the_asker_turns_the_page_in_the_same_message(world: World) -> None:
    async with world.bot(commands(12)):
        alice = world.fake.user("alice")
        first = await alice.slash("articles", {})
        assert not first.ephemeral and "page 1 of 3" in first.text
        second = await alice.click(first.message, "Next")
        assert second.type == 7, "the message itself is edited"
        assert "Article 05" in second.text and "Article 04" not in second.text
        third = await alice.click(second.message, "Next")
        assert third.type == 7 and "page 3 of 3" in third.text
        assert "Next" not in labels(third.message)
        back = await alice.click(third.message, "Previous")
        assert back.type == 7 and "page 2 of 3" in back.text
        assert back.message["id"] == first.message["id"]


async def test_pages_turn_after_a_restart(world: World) -> None:
    async with world.bot(commands(12)):
        first = await world.fake.user("alice").slash("articles", {})
    async with world.bot(commands(12)):
        second = await world.fake.user("alice").click(first.message, "Next")
        assert second.type == 7 and "page 2 of 3" in second.text


async def test_another_reader_gets_a_list_of_their_own(world: World) -> None:
    async with world.bot(commands(12)):
        first = await world.fake.user("alice").slash("articles", {})
        other = await world.fake.user("bob").click(first.message, "Next")
        assert other.type == 4 and "page 2 of 3" in other.text
        assert "page 1 of 3" in first.text


async def test_a_refusal_does_not_take_the_place_of_a_list(world: World) -> None:
    async with world.bot(commands(12)):
        first = await world.fake.user("alice").slash("articles", {"search": "article"})
    async with world.bot(commands(0)):
        gone = await world.fake.user("alice").click(first.message, "Next")
        assert gone.ephemeral and gone.type == 4 and "No article has" in gone.text
        assert "page 1 of 3" in first.text


async def test_a_private_list_is_turned_too(world: World) -> None:
    async with world.bot(commands(12)):
        alice = world.fake.user("alice")
        first = await alice.slash("articles", {}, user_install=True)
        assert first.ephemeral
        second = await alice.click(first.message, "Next")
        assert second.type == 7 and second.ephemeral and "page 2 of 3" in second.text
