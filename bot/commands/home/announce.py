"""/announce: an article's announcement as it will appear, to be published or skipped."""

from __future__ import annotations

from collections.abc import Mapping

from bot.command import MAX_CHOICES, Choice
from bot.guild_command import (
    Announcing,
    Caller,
    GuildCommand,
    GuildHouse,
    GuildOption,
    Pressed,
    Preview,
    Said,
    Value,
)
from bot.view import Block, Bold, Button, Heading, Note, Text, View
from compute.tool import Refused

PUBLISH, SKIP = "annpublish", "annskip"
NEAREST = 3
OFF = "Announcing is not running here."


def suggest(house: GuildHouse, typed: str) -> list[Choice]:
    """Articles that could be announced, newest first."""
    if house.announcing is None:
        return []
    words = typed.casefold().split()
    known = house.announcing.waiting()
    return [c for c in known if all(w in c[0].casefold() for w in words)][:MAX_CHOICES]


async def run(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """Both renderings, with what may be done."""
    del caller
    announcing = _announcing(house)
    short = _short(house, str(values["article"]))
    shown = await announcing.preview(short)
    return Said(_overview(shown), token=short, previews=(_discussion(shown), shown.message))


async def publish(house: GuildHouse, caller: Caller, press: Pressed) -> Said:
    """Announce it now."""
    sentence = await _announcing(house).publish(press.token, caller.user_id)
    return Said(View((Text((sentence,)),), "notice"), token=press.token, in_place=True)


async def skip(house: GuildHouse, caller: Caller, press: Pressed) -> Said:
    """Never announce it."""
    sentence = await _announcing(house).skip(press.token, caller.user_id)
    return Said(View((Text((sentence,)),), "notice"), token=press.token, in_place=True)


def _overview(shown: Preview) -> View:
    blocks: list[Block] = [Heading((Bold(shown.title),)), Text((shown.said,))]
    if shown.can_publish:
        blocks.append(Button("Publish", PUBLISH, style="primary"))
    if shown.can_skip:
        blocks.append(Button("Skip", SKIP))
    return View(tuple(blocks), "notice")


def _discussion(shown: Preview) -> View:
    head = (Note(("On GitHub:",)), Heading((Bold(shown.title),)))
    return View((*head, *shown.discussion.blocks))


def _announcing(house: GuildHouse) -> Announcing:
    if house.announcing is None:
        raise Refused(OFF)
    return house.announcing


def _short(house: GuildHouse, typed: str) -> str:
    """The article that was picked, or the only one whose title has the words typed."""
    known = _announcing(house).waiting()
    if any(short == typed for _, short in known):
        return typed
    titled = [choice for choice in suggest(house, typed) if typed.strip()]
    if len(titled) == 1:
        return titled[0][1]
    if not titled:  # one that was announced already shows how it stands
        found = house.library.find(typed)
        if len(found) == 1:
            return found[0].short_key
        titled = [(article.title, article.short_key) for article in found] or known
    raise Refused(
        "I know no such article: pick one of the suggestions.",
        field="article",
        given=typed,
        nearest=tuple(title for title, _ in titled[:NEAREST]),
    )


COMMAND = GuildCommand(
    name="announce",
    description="See an article's announcement as it will appear; publish or skip it.",
    who="maintainers",
    options=(GuildOption("article", "the article, by its title", "text", suggest=suggest),),
    run=run,
    presses={PUBLISH: publish, SKIP: skip},
)
