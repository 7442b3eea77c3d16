"""/announce shows an article's announcement, and Publish and Skip do what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.commands.home.announce import COMMAND, PUBLISH, SKIP, suggest
from bot.guild_command import Caller, GuildHouse, Pressed, Preview
from bot.view import Anchor, Bold, Button, Heading, Link, Note, Text, View
from compute.tool import Refused
from content.library import Library

CALLER = Caller("1", "Home", "100", "42", "ada", (), moderator=False, maintainer=True)
ONE, TWO = ("The arithmetic of attention", "A" * 22), ("Continuous batching", "B" * 22)


@dataclass
class Desk:
    """What /announce asks."""

    known: list[tuple[str, str]] = field(default_factory=lambda: [ONE, TWO])
    asked: list[tuple[str, ...]] = field(default_factory=list)
    open_still: bool = True
    announced: list[tuple[str, str]] = field(default_factory=list)

    def waiting(self) -> list[tuple[str, str]]:
        return self.known

    def others(self) -> list[tuple[str, str]]:
        return self.announced

    async def preview(self, short_key: str) -> Preview:
        self.asked.append(("preview", short_key))
        discussion = View((Text(("What it is about.",)),))
        message = View((Heading((Anchor("A title", "https://a.example"),)),))
        said = "Not announced yet: a Discussion."
        return Preview(
            "A title", discussion, message, said, self.open_still, self.open_still,
            channels=(("1", "100", "7"), ("1", "200", "7"), ("9", "300", "8")),
            links=() if self.open_still else (("Discussion", "https://github.com/d/1"),),
            labels=("moe",),
        )  # fmt: skip

    async def publish(self, short_key: str, by: str) -> str:
        self.asked.append(("publish", short_key, by))
        return "It is being announced."

    async def skip(self, short_key: str, by: str) -> str:
        self.asked.append(("skip", short_key, by))
        return "Skipped."


class Named:
    """Channels and roles of the caller's server."""

    def name_of(self, guild_id: str, id: str) -> str:
        """Nothing of another server is ever asked for."""
        assert guild_id == CALLER.guild_id
        return {"100": "articles", "7": "readers"}.get(id, "")

    def lacking(self, channel_id: str, purpose: str, *, thread: bool = False) -> list[str]:
        """Nothing."""
        return []


def house(desk: Desk | None) -> GuildHouse:
    none: Any = None
    return GuildHouse(none, Library(), Named(), announcing=desk)


async def run(there: GuildHouse, typed: str) -> Any:
    assert COMMAND.run is not None
    return await COMMAND.run(there, CALLER, {"article": typed})


async def test_both_renderings_are_shown_with_publish_and_skip() -> None:
    desk = Desk()
    said = await run(house(desk), TWO[1])
    assert desk.asked == [("preview", TWO[1])] and said.token == TWO[1]
    buttons = [b for b in said.view.blocks if isinstance(b, Button)]
    assert [(b.label, b.action) for b in buttons] == [("Publish", PUBLISH), ("Skip", SKIP)]
    where = Note(("In #articles, #200 · 1 in other servers · mentions @readers",))
    assert where in said.view.blocks
    discussion, message = said.previews
    assert Heading((Bold("A title"),)) in discussion.blocks
    assert Text(("What it is about.",)) in discussion.blocks
    assert message.blocks[0] == Heading((Anchor("A title", "https://a.example"),))


async def test_one_that_was_announced_has_no_buttons() -> None:
    said = await run(house(Desk(open_still=False)), ONE[1])
    assert not any(isinstance(block, Button) for block in said.view.blocks)
    assert Link("Discussion", "https://github.com/d/1") in said.view.blocks


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
    desk = Desk(announced=[("MoE routing (announced)", "C" * 22)])
    await run(house(desk), "moe routing")
    await run(house(desk), "C" * 22)
    assert desk.asked == [("preview", "C" * 22)] * 2
    assert [name for name, _ in suggest(house(desk), "")][-1] == "MoE routing (announced)"


async def test_of_several_the_one_that_can_be_announced_is_meant() -> None:
    desk = Desk(announced=[("Batching (announced)", "C" * 22)])
    await run(house(desk), "batching")
    assert desk.asked == [("preview", TWO[1])]
    desk.known.append(("Batching again", "D" * 22))
    with pytest.raises(Refused, match="Several") as error:
        await run(house(desk), "batching")
    assert error.value.refusal.nearest[0] == TWO[0]


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
