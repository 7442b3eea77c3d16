"""Strangers send anything: each value ends in a clear sentence, and nobody is pinged."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from tests.bot.integrations.discord_client.conftest import World
from tests.fakes.discord import Reply

TEXTS = {
    "empty": "",
    "spaces": "   ",
    "long": "x" * 6000,
    "long words": "word " * 1200,
    "emoji": "\U0001f600\U0001f469\u200d\U0001f467" * 20,
    "right to left": "\u202egnp.exe\u202c \u05d0\u05d1\u05d2",
    "zero width": "h\u200b1\u200d0\ufeff0",
    "towers": "Z" + "\u0301" * 200,
    "everyone": "@everyone @here",
    "mention": "<@1> <@!1> <@&1> <#1> </pace:1> <id:guide>",
    "markdown": "**a** __b__ ~~c~~ ||d|| `e` ```\nf\n``` [g](https://evil.example) > h\n# i\n- j",
    "address": "https://evil.example/?a=b discord.gg/abc http://169.254.169.254/",
    "path": "../../../../etc/passwd",
    "windows path": "C:\\Windows\\system32",
    "control": "\x00\x07\x1b[31m\r\n\t",
    "surrogate": "\ud800",
    "json": '{"$ne": null}',
    "sql": "'; DROP TABLE results; --",
    "format": "%s %n {0} ${HOME}",
}
NUMBERS: list[Any] = [0, -1, 10**18, 10**400, math.nan, math.inf, -math.inf, 0.5, 1e308, True]


def checked(reply: Reply) -> str:
    """The text of a readable refusal or answer; that it pings or links nobody is checked."""
    text = reply.text
    assert reply.pings == set() and len(text) <= 4000
    assert (
        "Traceback" not in text and "@everyone" not in text and "Something went wrong" not in text
    )
    for hidden in ("\u202e", "\u200d", "\ufeff", "\x00", "\x1b", "\ud800"):
        assert hidden not in text
    bare = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    assert "](https://evil" not in bare and "https://evil" not in bare and "\n# " not in bare
    assert "<@" not in bare.replace("\\<@", "")
    return text


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS.keys())
async def test_any_text_in_any_option_is_a_sentence(world: World, value: str) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        for option in ("gpu", "dtype", "model", "note"):
            options = {"gpu": "h100", option: value}
            reply = await alice.slash("pace", options, raw=True)
            await reply.finished()
            text = checked(reply)
            assert "requests/s" in text or (reply.ephemeral and "ref " in text)


@pytest.mark.parametrize("value", NUMBERS, ids=str)
async def test_any_number_in_any_option_is_a_sentence(world: World, value: Any) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        for option in ("gpu", "gpus", "share", "fast"):
            reply = await alice.slash("pace", {"gpu": "h100", option: value}, raw=True)
            text = checked(reply)
            assert "requests/s" in text or (reply.ephemeral and "ref " in text)


async def test_numbers_out_of_range_name_the_range(world: World) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        low = await alice.slash("pace", {"gpu": "h100", "gpus": 0})
        assert "gpus must be at least 1" in low.text and "`gpus:0`" in low.text
        high = await alice.slash("pace", {"gpu": "h100", "gpus": 2**53})
        assert "gpus must be at most 1,024" in high.text
        share = await alice.slash("pace", {"gpu": "h100", "share": math.nan}, raw=True)
        assert "share must be" in share.text


@pytest.mark.parametrize(
    "options",
    [{}, {"gpus": 1}, {"gpu": "h100", "surprise": "1"}, {"gpu": ["h100"]}, {"gpu": None}],
    ids=str,
)
async def test_options_no_client_would_send_are_refused_in_words(
    world: World, options: dict[str, Any]
) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        kept = world.fake.command("pace")
        reply = await crafted(world, alice, kept, options)
        assert reply.ephemeral and "ref " in checked(reply)


async def crafted(world: World, person: Any, command: dict[str, Any], options: Any) -> Reply:
    """Send options with whatever JSON value, typed as nothing declares them."""
    from tests.fakes.discord.interactions import COMMAND
    from tests.fakes.discord.payloads import new_interaction

    sent = [{"name": n, "type": 10, "value": v} for n, v in options.items()]
    data = {"id": command["id"], "name": command["name"], "type": 1, "options": sent}
    place = world.fake.place(person, {})
    reply: Reply = await person._act(
        new_interaction(world.fake, person, COMMAND, place, data), True, 5.0
    )
    return reply


async def test_hostile_inputs_come_back_whole_in_the_form(world: World) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        wrong = {"gpu": "@everyone `x`", "gpus": 5000, "note": "**hi** model:none"}
        reply = await alice.slash("pace", wrong)
        values = (await alice.click(reply.message, "Change inputs")).modal.values
        assert values["gpu"] == "@everyone `x`" and values["gpus"] == "5000"
        assert "**hi**" in values["Other options, each as name:value"]


async def test_a_forged_form_is_refused_in_words(world: World) -> None:
    async with world.bot():
        alice = world.fake.user("alice")
        first = await alice.slash("pace", {"gpu": "h100"})
        modal = (await alice.click(first.message, "Change inputs")).modal
        for forged in ([], [{"type": 1}], [{"type": 18, "component": {"type": 4}}], [[1]], [None]):
            modal.json["components"] = []
            reply = await forged_form(world, alice, modal, forged)
            assert reply.ephemeral and "ref " in checked(reply)


async def forged_form(world: World, person: Any, modal: Any, components: list[Any]) -> Reply:
    """Send a form with parts that no client makes."""
    from tests.fakes.discord.interactions import SUBMIT
    from tests.fakes.discord.payloads import new_interaction

    opener = modal.reply.interaction
    data = {"custom_id": modal.json["custom_id"], "components": components}
    made = new_interaction(world.fake, person, SUBMIT, opener.place, data, opener.source)
    reply: Reply = await person._act(made, True, 5.0)
    return reply
