"""A stranger's text takes time in proportion to its length: these run on the event loop."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from bot.integrations.conversation.excerpt import excerpt
from bot.render.chat import Names, github_chat, github_fence, plain_chat
from bot.render.github import github_code, github_line, github_text, github_title, html_text
from bot.render.markup import escaped, one_line

SHORT, LONG = 4_096, 65_536
# What made a regular expression begin anew at every character, and what opens and never closes.
UNITS = ("a.", "GH-", "www.", "``", "`", "[a](", "<script", "||a", "**a", "__a", ":a", "&#64;",
         "@", "\u0301", "~~~\n", "> ", "1. a\n", "abcdef1", "https://a", "<@1", "\\",
         " ", "\n")  # fmt: skip
FUNCTIONS: dict[str, Callable[[str], object]] = {
    "github_text": github_text,
    "github_line": github_line,
    "github_title": github_title,
    "github_code": github_code,
    "html_text": html_text,
    "github_fence": github_fence,
    "github_chat": lambda text: github_chat(text, Names()),
    "plain_chat": lambda text: plain_chat(text, Names()),
    "escaped": escaped,
    "one_line": one_line,
}


def cpu_s(run: Callable[[str], object], text: str) -> float:
    """The best of two runs, of this thread alone."""
    taken = []
    for _ in range(2):
        began = time.thread_time()
        run(text)
        taken.append(time.thread_time() - began)
    return min(taken)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_sixteen_times_the_text_takes_no_more_than_in_proportion(name: str) -> None:
    run = FUNCTIONS[name]
    for unit in UNITS:
        short, long = (cpu_s(run, unit * (size // len(unit)) + "x!") for size in (SHORT, LONG))
        # In proportion it is 16 times, in its square 256 times: 0.25 s where a few ms are right.
        assert long < 80 * max(short, 0.0005), f"{unit!r}: {short:.4f} s, then {long:.3f} s"


def test_the_first_words_of_a_post_are_found_at_once_whatever_it_is_made_of() -> None:
    """Their length is cut first, so it is the whole time that counts: it was 6 s, and is 10 ms."""
    for unit in UNITS:
        for text in (unit * (LONG // len(unit)), f"x{unit * (LONG // len(unit))}\0!"):
            assert cpu_s(excerpt, text) < 0.5, f"{unit!r}"
