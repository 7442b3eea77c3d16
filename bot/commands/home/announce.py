"""/announce: an article's announcement as it will appear, to be published or skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from bot.view import Block, Bold, Button, Heading, Link, Note, Text, View
from compute.tool import Refused

PUBLISH, SKIP = "annpublish", "annskip"
NEAREST = 3
OFF = "Announcing is not running here."


def suggest(house: GuildHouse, typed: str) -> list[Choice]:
    """Articles that could be announced, newest first; then those that were."""
    if house.announcing is None:
        return []
    known = [*house.announcing.waiting(), *house.announcing.others()]
    return _matching(known, typed)[:MAX_CHOICES]


async def run(house: GuildHouse, caller: Caller, values: Mapping[str, Value]) -> Said:
    """Both renderings, with what may be done."""
    announcing = _announcing(house)
    short = _short(house, str(values["article"]))
    shown = await announcing.preview(short)
    overview = _overview(house, caller, shown)
    return Said(overview, token=short, previews=(_discussion(shown), shown.message))


async def publish(house: GuildHouse, caller: Caller, press: Pressed) -> Said:
    """Announce it now."""
    sentence = await _announcing(house).publish(press.token, caller.user_id)
    return Said(View((Text((sentence,)),), "notice"), token=press.token, in_place=True)


async def skip(house: GuildHouse, caller: Caller, press: Pressed) -> Said:
    """Never announce it."""
    sentence = await _announcing(house).skip(press.token, caller.user_id)
    return Said(View((Text((sentence,)),), "notice"), token=press.token, in_place=True)


def _overview(house: GuildHouse, caller: Caller, shown: Preview) -> View:
    blocks: list[Block] = [Heading((Bold(shown.title),)), Text((shown.said,))]
    if where := _where(house, caller, shown):
        blocks.append(Note((where,)))
    blocks += [Link(name, url) for name, url in shown.links]
    if shown.can_publish:
        blocks.append(Button("Publish", PUBLISH, style="primary"))
    if shown.can_skip:
        blocks.append(Button("Skip", SKIP))
    return View(tuple(blocks), "notice")


def _where(house: GuildHouse, caller: Caller, shown: Preview) -> str:
    """The channels of this server by name, and the roles that are told; others are counted."""
    here = [(channel, role) for guild, channel, role in shown.channels if guild == caller.guild_id]
    names = [house.places.name_of(caller.guild_id, channel) or channel for channel, _ in here]
    roles = dict.fromkeys(role for _, role in here if role)
    told = [house.places.name_of(caller.guild_id, role) or role for role in roles]
    parts = [f"In {', '.join(f'#{name}' for name in names)}"] if names else []
    elsewhere = len(shown.channels) - len(here)
    parts += [f"{elsewhere} in other servers"] if elsewhere else []
    parts += [f"mentions {', '.join(f'@{name}' for name in told)}"] if told else []
    return " · ".join(parts)


def _discussion(shown: Preview) -> View:
    head = (Note(("On GitHub:",)), Heading((Bold(shown.title),)))
    labels = f"Labels, of those that exist: {', '.join(shown.labels)}"
    return View((*head, *shown.discussion.blocks, *([Note((labels,))] if shown.labels else [])))


def _announcing(house: GuildHouse) -> Announcing:
    if house.announcing is None:
        raise Refused(OFF)
    return house.announcing


def _matching(known: Sequence[Choice], typed: str) -> list[Choice]:
    words = typed.casefold().split()
    return [choice for choice in known if all(word in choice[0].casefold() for word in words)]


def _short(house: GuildHouse, typed: str) -> str:
    """The article that was picked, or the only one whose title has the words typed."""
    announcing = _announcing(house)
    waiting = announcing.waiting()
    known = [*waiting, *announcing.others()]
    if any(short == typed for _, short in known):
        return typed
    titled = _matching(known, typed) if typed.strip() else []
    for found in (titled, _matching(waiting, typed)):
        if len(found) == 1:
            return found[0][1]
    raise Refused(
        "Several articles have these words." if titled else "I know no such article.",
        field="article",
        given=typed,
        nearest=tuple(title for title, _ in (titled or known)[:NEAREST]),
    )


COMMAND = GuildCommand(
    name="announce",
    description="See an article's announcement as it will appear; publish or skip it.",
    who="maintainers",
    options=(GuildOption("article", "the article, by its title", "text", suggest=suggest),),
    run=run,
    presses={PUBLISH: publish, SKIP: skip},
)
