"""/announce shows an article's announcement, and Publish and Skip do what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.commands.home.announce import COMMAND, PUBLISH, SKIP, suggest
from bot.guild_command import Caller, GuildHouse, Pressed, Preview
from bot.view import Anchor, Bold, Button, Heading, Text, View
from compute.tool import Refused
from content.library import Library
from tests.bot.integrations.announcing.parts import article

CALLER = Caller("1", "Home", "100", "42", "ada", (), moderator=False, maintainer=True)
ONE, TWO = ("The arithmetic of attention", "A" * 22), ("Continuous batching", "B" * 22)


@dataclass
class Desk:
    """What /announce asks."""

    known: list[tuple[str, str]] = field(default_factory=lambda: [ONE, TWO])
    asked: list[tuple[str, ...]] = field(default_factory=list)
    open_still: bool = True

    def waiting(self) -> list[tuple[str, str]]:
        return self.known

    async def preview(self, short_key: str) -> Preview:
        self.asked.append(("preview", short_key))
        discussion = View((Text(("What it is about.",)),))
        message = View((Heading((Anchor("A title", "https://a.example"),)),))
        said = "Not announced yet: a Discussion."
        return Preview("A title", discussion, message, said, self.open_still, self.open_still)

    async def publish(self, short_key: str, by: str) -> str:
        self.asked.append(("publish", short_key, by))
        return "It is being announced."

    async def skip(self, short_key: str, by: str) -> str:
        self.asked.append(("skip", short_key, by))
        return "Skipped."


def house(desk: Desk | None, library: Library | None = None) -> GuildHouse:
    none: Any = None
    return GuildHouse(none, library or Library(), none, announcing=desk)


async def run(there: GuildHouse, typed: str) -> Any:
    assert COMMAND.run is not None
    return await COMMAND.run(there, CALLER, {"article": typed})


async def test_both_renderings_are_shown_with_publish_and_skip() -> None:
    desk = Desk()
    said = await run(house(desk), TWO[1])
    assert desk.asked == [("preview", TWO[1])] and said.token == TWO[1]
    buttons = [b for b in said.view.blocks if isinstance(b, Button)]
    assert [(b.label, b.action) for b in buttons] == [("Publish", PUBLISH), ("Skip", SKIP)]
    discussion, message = said.previews
    assert Heading((Bold("A title"),)) in discussion.blocks
    assert Text(("What it is about.",)) in discussion.blocks
    assert message.blocks[0] == Heading((Anchor("A title", "https://a.example"),))


async def test_one_that_was_announced_has_no_buttons() -> None:
    said = await run(house(Desk(open_still=False)), ONE[1])
    assert not any(isinstance(block, Button) for block in said.view.blocks)


@pytest.mark.parametrize(("action", "what"), [(PUBLISH, "publish"), (SKIP, "skip")])
async def test_a_press_does_it_in_the_name_of_who_pressed(action: str, what: str) -> None:
    desk = Desk()
    said = await COMMAND.presses[action](house(desk), CALLER, Pressed(action, ONE[1]))
    assert desk.asked == [(what, ONE[1], "42")] and said.in_place


async def test_words_of_one_title_are_enough() -> None:
    desk = Desk()
    await run(house(desk), "batching continuous")
    assert desk.asked == [("preview", TWO[1])]


async def test_an_announced_one_is_found_by_its_title() -> None:
    desk, library = Desk(), Library()
    library.replace([article("moe-routing")])
    await run(house(desk, library), "moe routing")
    assert desk.asked == [("preview", article("moe-routing").short_key)]


@pytest.mark.parametrize("typed", ["nothing like it", "", "of\n@everyone"])
async def test_what_is_no_article_is_refused_with_the_nearest(typed: str) -> None:
    with pytest.raises(Refused, match="no such article") as error:
        await run(house(Desk()), typed)
    assert error.value.refusal.nearest == (ONE[0], TWO[0])


async def test_without_announcing_it_says_so() -> None:
    with pytest.raises(Refused, match="not running"):
        await run(house(None), "x")
    assert suggest(house(None), "x") == []


def test_suggestions_are_at_most_25() -> None:
    desk = Desk([(f"Title {n}", f"{n:022}") for n in range(60)])
    assert len(suggest(house(desk), "")) == 25
    assert suggest(house(desk), "TITLE 42") == [("Title 42", f"{42:022}")]


def test_it_is_for_maintainers() -> None:
    assert COMMAND.who == "maintainers" and COMMAND.options[0].name == "article"
