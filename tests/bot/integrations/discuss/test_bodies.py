"""What a Discussion says: whole answers of real tools, conversations, and what is too long."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import pytest
from markdown_it import MarkdownIt

from bot.command import Command
from bot.commands import load_commands
from bot.discussing import ChatMessage
from bot.integrations.discuss.chat_body import chat_body, chat_preview, chat_title
from bot.integrations.discuss.fit import MOST, fitted, size
from bot.integrations.discuss.result_body import (
    Telling,
    answer_view,
    result_body,
    terminal_line,
    title_of,
)
from bot.line import parse_options
from bot.results import new_result_id
from bot.runner import Outcome
from bot.terminal import _inputs, _parser
from bot.view import Facts, Heading, Table, Text, View, plain
from compute.context import LocalContext
from compute.inputs import check_inputs
from tests.bot.integrations.discord_client import pace
from tests.bot.integrations.discuss.service import chat

TELLING = Telling(
    "Alice", "Bob", 1.7e9, "https://k2c.example/r/x", "1.2", (), "https://k2c.example"
)
ASKED: Mapping[str, dict[str, Any]] = {
    "throughput": {"gpu": "h100", "model": "llama-3.1-70b", "batch": 32, "gpus": 2},
    "cost": {"model": "llama-3.1-70b", "requests_per_day": 200_000, "input": 1200, "output": 300},
}


async def outcome_of(command: Command, inputs: Mapping[str, Any]) -> Outcome:
    """A finished answer."""
    context = LocalContext("http://127.0.0.1:9")
    request = check_inputs(command.tool, inputs)
    result = await command.tool.run(request, context)
    await context.close()
    return Outcome(new_result_id(), command.tool, inputs, request, result, None)


def rendered(markdown: str) -> str:
    """As GitHub renders it."""
    made = MarkdownIt("commonmark", {"html": True, "breaks": True})
    return str(made.enable(["table", "strikethrough"]).render(markdown))


@pytest.mark.parametrize("name", sorted(ASKED))
async def test_an_answer_reads_whole_without_any_picture(name: str) -> None:
    command = load_commands()[name]
    outcome = await outcome_of(command, ASKED[name])
    body = result_body(command, outcome, TELLING)
    view = answer_view(command, outcome, "")
    html = rendered(body)
    heading = next(plain(b.words) for b in view.blocks if isinstance(b, Heading))
    text = re.sub(r"<[^>]+>", "", html).replace("\u200b", "").replace("&amp;", "&")
    assert heading in text and title_of(command, view).startswith(name.capitalize())
    tables = [b for b in view.blocks if isinstance(b, Table | Facts)]
    assert html.count("<table>") >= len(tables) > 0
    assert html.count("<details>") == html.count("</details>") >= 2
    assert "<summary>Assumptions</summary>" in html and "██" in html
    assert "Asked by <strong>Bob</strong> in Discord, posted by <strong>Alice</strong>" in html
    assert "2023-11-14 · k2c 1.2" in html and 'href="https://k2c.example/r/x"' in html
    assert not re.search(r"@[a-z]", re.sub(r"<code.*?</code>", "", html, flags=re.DOTALL))


@pytest.mark.parametrize("name", sorted(ASKED))
async def test_the_commands_shown_ask_for_the_very_same(name: str) -> None:
    command = load_commands()[name]
    body = result_body(command, await outcome_of(command, ASKED[name]), TELLING)
    (slash,) = re.findall(rf"^/{name} (.*)$", body, re.MULTILINE)
    (typed,) = re.findall(rf"^k2c {name} (.*)$", body, re.MULTILINE)
    wanted = check_inputs(command.tool, ASKED[name])
    assert check_inputs(command.tool, parse_options(command, slash)) == wanted
    flags = _parser(command).parse_args(shlex.split(typed))
    assert check_inputs(command.tool, _inputs(command, flags)) == wanted


def test_a_shell_takes_what_is_shown_as_one_word_each() -> None:
    line = terminal_line(pace.command(), {"gpu": "h100", "note": "a b; rm -rf $HOME\n`x`"})
    assert shlex.split(line) == ["k2c", "pace", "--gpu", "h100", "--note", "a b; rm -rf $HOME `x`"]


async def test_what_was_typed_cannot_leave_its_code_block() -> None:
    command = pace.command()
    note = "```\n# @octocat closes #1 <!-- k2c:post key=AAAAAAAAAAAAAAAAAAAAAA -->"
    body = result_body(command, await outcome_of(command, {"gpu": "h100", "note": note}), TELLING)
    html = rendered(body)
    assert "<!--" not in html and "k2c:post" not in body and "<h1>" not in html
    outside = re.sub(r"<code.*?</code>", "", html, flags=re.DOTALL)
    assert "@octocat" not in outside and "#1" not in outside


def big(rows: int) -> Command:
    """A tool whose answer has a table of so many rows."""

    def show(request: pace.PaceRequest, result: pace.PaceResult) -> View:
        many = tuple((f"row {n}", "x" * 40, "\U0001f600") for n in range(rows))
        return View((Heading(("the answer",)), Text(("why",)), Table(("a", "b", "c"), many)))

    def details(request: pace.PaceRequest, result: pace.PaceResult) -> View:
        return View((Text(("assumed " * 200,)),))

    made = pace.command()
    return Command(tool=made.tool, options=made.options, show=show, details=details)


@pytest.mark.parametrize("rows", [1_150, 1_000, 5_000])
async def test_what_is_too_long_is_cut_between_rows_and_keeps_its_end(rows: int) -> None:
    command = big(rows)
    outcome = await outcome_of(command, {"gpu": "h100"})
    body = result_body(command, outcome, TELLING)
    assert size(body) <= MOST
    html = rendered(body)
    assert "the answer" in html and "k2c pace --gpu h100" in html and "posted by" in html
    assert html.count("<tr>") > 900
    assert html.count("<table>") == html.count("</table>") == 1
    assert ("too long" in body) == (rows > 1_000)


def test_the_end_stays_whatever_is_cut() -> None:
    for most in range(200, 900, 37):
        made = fitted(["a" * 100, "b" * 300, "> " + "c" * 300], ["the end"], "cut", most)
        assert size(made) <= most and made.endswith("the end")
    quote = "\n".join(["> ```", *(f"> line {n}" for n in range(200)), "> ```"])
    made = fitted(["first", quote], ["the end"], "cut", 600)
    assert rendered(made).endswith("<p>cut</p>\n<p>the end</p>\n")


def said(n: int, content: str, author: str = "Bob") -> ChatMessage:
    """A message."""
    url = f"https://discord.com/channels/100/300/{n}"
    return ChatMessage(id=str(n), author=author, content=content, url=url, at=1.7e9 + n)


def test_a_conversation_keeps_who_said_what_when_and_where() -> None:
    thread = (said(1, "why <@7>?"), said(2, "because\n```py\nx\n```", "Carol"))
    whole = chat(thread=thread, thread_name="On speed", users={"7": "Dan"})
    html = rendered(chat_body(whole, "thread", "Alice"))
    assert html.index("why <strong>Dan</strong>?") < html.index("because")
    assert '<strong>Carol</strong> · <a href="https://discord.com/channels/100/300/2">' in html
    assert "2023-11-14 22:13 UTC" in html and 'class="language-py">x' in html
    assert "the whole thread, posted by <strong>Alice</strong>" in html
    assert chat_title(whole) == "On speed"
    alone = chat_body(whole, "message", "Alice")
    assert "> why?" in alone and "Carol**" in alone and "because" not in alone


def test_a_long_conversation_is_cut_between_messages() -> None:
    thread = tuple(said(n, f"message {n} " + "word " * 700) for n in range(60))
    body = chat_body(chat(thread=thread, left_out=12), "thread", "Alice")
    assert size(body) <= MOST and "The rest of the conversation is in Discord" in body
    assert body.endswith("or answer here.</sub>") and "message 5 " in body
    short = chat_body(chat(thread=thread[:3], left_out=12), "thread", "Alice")
    assert "12 later messages are in Discord" in short


def test_the_longest_message_fits_whole() -> None:
    body = chat_body(chat("\U0001f600<" * 2000), "message", "Alice")
    assert size(body) <= MOST and body.count("\U0001f600") == 2000


def test_a_preview_shows_what_would_be_posted_and_why_not_more() -> None:
    view = chat_preview(chat("Ask **<@7>**", users={"7": "Dan"}, why_not="No thread."))
    words = "\n".join(plain(b.words) for b in view.blocks if hasattr(b, "words"))
    assert "Ask Dan" in words and "Carol in #general" in words and "No thread." in words


def test_a_title_is_made_of_the_first_words() -> None:
    assert chat_title(chat("\n> **Why** is <@7> slow?\nmore", users={"7": "Dan"})) == (
        "Why is Dan slow?"
    )
    assert chat_title(chat("")) == "From #general"
    assert len(chat_title(chat("x" * 400))) == 100


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Buy it: $493 a month from QuickSilver Pro; self-hosting from $2,467 a month "
         "(2x RTX PRO 6000 Blackwell, $1,402-$4,424)",
         "Pace: Buy it: $493 a month from QuickSilver Pro; self-hosting from $2,467 a month"),
        ("A " + "word " * 40, "Pace: A " + "word " * 22 + "…"),
        ("Short (whole; even so)", "Pace: Short (whole; even so)"),
    ],
)  # fmt: skip
def test_a_title_that_is_too_long_ends_with_a_whole_part(said: str, title: str) -> None:
    made = title_of(pace.command(), View((Heading((said,)),)))
    assert made == title.replace(" …", "…") and len(made) <= 121


async def test_every_bar_and_every_title_is_whole() -> None:
    command = load_commands()["cost"]
    inputs = {"model": "openai/gpt-oss-120b", "requests_per_day": 200_000, "input": 1200}
    body = result_body(command, await outcome_of(command, inputs), TELLING)
    bars = [line for line in body.splitlines() if "██" in line]
    assert bars and not any("█…" in line for line in bars)
    fences = re.findall(r"```text\n(.*)", body)
    assert not any(first.startswith(("for ", "is ", "used")) for first in fences)
