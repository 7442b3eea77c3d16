"""A card shows what it was given as text, and carries its key where a look finds it again."""

from __future__ import annotations

from typing import Any

import pytest

from bot.integrations.discord_client.channels.cards import card_body, card_view, key_in
from bot.integrations.discord_client.channels.edits import made_by
from bot.integrations.discord_client.channels.posts import fitting_tags, thread_name
from bot.integrations.discord_client.channels.target import Tag
from bot.posting import Card, fragment
from bot.render.discord import length, payload
from bot.view import Anchor, Heading
from content.sources.article import short_key
from tests.bot.integrations.discord_client.messages import links

KEY = "dc:1:a:new"


def body(card: Card, role: str = "") -> dict[str, Any]:
    return card_body(card, KEY, role, pings=True)


def words(message: dict[str, Any]) -> str:
    """All text of a message, in order."""
    found: list[str] = []

    def walk(part: Any) -> None:
        for component in part:
            found.extend([component["content"]] if "content" in component else [])
            walk(component.get("components") or ())

    walk(message["components"])
    return "\n".join(found)


@pytest.mark.parametrize(
    ("card", "first"),
    [
        (Card(title="T", url="https://a.example/p"), f"https://a.example/p#{fragment(KEY)}"),
        (
            Card(title="T", url="https://a.example/p#part"),
            f"https://a.example/p#part&{fragment(KEY)}",
        ),
        (Card(title="T", url="https://a.example/p#"), f"https://a.example/p#{fragment(KEY)}"),
    ],
)
def test_the_title_leads_on_and_carries_the_key(card: Card, first: str) -> None:
    [heading] = [b for b in card_view(card, KEY).blocks if isinstance(b, Heading)]
    assert heading.words == (Anchor("T", first),)
    assert words(body(card)).startswith(f"**[T](<{first}>)**")
    assert key_in(body(card)) == short_key(KEY)


def test_without_a_titles_link_the_first_button_carries_it() -> None:
    card = Card(title="T", links=(("Read", "https://a.example/"), ("Talk", "https://b.example/")))
    assert links(body(card)) == [f"https://a.example/#{fragment(KEY)}", "https://b.example/"]
    assert key_in(body(card)) == short_key(KEY)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example/x", "file:///etc/x", "x"]
)
def test_a_title_that_leads_to_no_web_page_is_no_link_and_the_key_goes_elsewhere(url: str) -> None:
    message = body(Card(title="T", url=url, links=(("Read", "https://a.example/"),)))
    assert links(message) == [f"https://a.example/#{fragment(KEY)}"]
    assert key_in(message) == short_key(KEY) and url not in words(message)[1:]


@pytest.mark.parametrize(
    "given",
    [
        (),
        (("Channel", "https://discord.com/channels/1/2"),),
        (("Bad", "javascript:alert(1)"),),
        (("Long", "https://a.example/" + "x" * 600),),
    ],
)
def test_without_any_link_that_can_carry_it_the_small_print_does(given: Any) -> None:
    message = body(Card(title="T", links=given))
    assert key_in(message) == short_key(KEY)
    assert all(fragment(KEY) not in link for link in links(message))


@pytest.mark.parametrize(
    "text",
    [
        f"https://a.example/#{fragment('other')}",
        f"[x](<https://a.example/#{fragment('other')}>)",
        f"](<https://a.example/#{fragment('other')}>)",
        f"\\](<https://a.example/#{fragment('other')}>)",
        f"`](<https://a.example/#{fragment('other')}>)`",
    ],
)
def test_no_text_can_pass_for_a_key(text: str) -> None:
    card = Card(title=text, lines=(text,), note=text, url="https://a.example/")
    assert key_in(body(card)) == short_key(KEY)
    assert fragment("other") in words(body(card)).replace("\\", "")  # it is shown as text
    bare = {"components": [{"type": 10, "content": words(body(Card(title=text, lines=(text,))))}]}
    assert key_in(bare) == short_key(KEY)


@pytest.mark.parametrize("title", ["[P] Attention", "a < b", "`x`", "see https://b.example"])
def test_a_title_that_discord_would_not_link_leaves_it_to_the_buttons(title: str) -> None:
    url = "https://a.example/p"
    alone = body(Card(title=title, url=url))
    assert "](<" not in words(alone) and words(alone).startswith("**")
    assert links(alone) == [f"{url}#{fragment(KEY)}"]
    led = body(Card(title=title, url=url, links=(("Read", url), ("Discuss", "https://d.example"))))
    assert links(led) == [f"{url}#{fragment(KEY)}", "https://d.example"]


def test_an_address_that_ends_in_another_key_is_still_ours() -> None:
    card = Card(title="T", url=f"https://a.example/#{fragment('other')}")
    assert key_in(body(card)) == short_key(KEY)


def test_a_key_is_whole_or_none() -> None:
    for wrong in ("k2c=short", "k2c=" + "A" * 23, "xk2c=" + "A" * 22, "?k2c=" + "A" * 22):
        button = {"type": 2, "url": f"https://a.example/#{wrong}"}
        assert key_in({"components": [button]}) == ""


@pytest.mark.parametrize("text", ["x" * 9_000, "*" * 9_000, "\U0001f9ee" * 5_000, "a b " * 3_000])
@pytest.mark.parametrize("role", ["", "1234567890123456789"])
def test_long_text_ends_in_time_with_its_key_and_buttons(text: str, role: str) -> None:
    url = "https://a.example/" + "p" * 900
    card = Card(title=text, url=url, lines=(text, text), note=text,
                links=(("Read", "https://a.example/"),))  # fmt: skip
    message = body(card, role)
    assert length(words(message)) <= 4_000
    assert key_in(message) == short_key(KEY)
    assert links(message) == ["https://a.example/"]
    assert "\u2026" in words(message)


def test_a_summary_of_three_thousand_characters_is_shown_whole() -> None:
    summary = "Decode reads every weight once. " * 93
    shown = words(body(Card(title="T", url="https://a.example/", lines=(summary.strip(), "by me"))))
    assert summary.strip() in shown and "by me" in shown


def test_only_the_role_is_told_and_an_edit_tells_nobody() -> None:
    card = Card(title="T", url="https://a.example/")
    assert body(card, "77")["allowed_mentions"] == {
        "parse": [], "roles": ["77"], "replied_user": False,
    }  # fmt: skip
    assert words(body(card, "77")).startswith("<@&77>\n")
    edited = card_body(card, KEY, "77", pings=False)
    assert edited["allowed_mentions"]["roles"] == [] and words(edited).startswith("<@&77>\n")
    assert "<@&" not in words(body(card, "77> @everyone <@&7"))


def test_a_card_has_the_colour_of_its_tone() -> None:
    shown = [payload(card_view(Card(title="T", tone=tone), KEY))["components"][0]["accent_color"]
             for tone in ("answer", "notice", "refusal")]  # fmt: skip
    assert len(set(shown)) == 3


def test_an_edits_key_names_the_post_it_changes() -> None:
    assert made_by("dc:1:abc:edit:3") == "dc:1:abc:new"
    assert made_by("dc:1:abc:new") == "dc:1:abc:new"


def test_a_threads_name_is_one_visible_line() -> None:
    assert thread_name("a\n\u202eb\u200b  c") == "a b c"
    assert thread_name(" \u200b ") == "\u2026"
    assert len(thread_name("x" * 300)) == 100


def test_tags_are_found_by_name_whatever_their_case() -> None:
    known = (Tag("1", "Kernels", False), Tag("2", "News", True), Tag("3", "Quantisation", False))
    assert fitting_tags(known, ("kernels", "Kernels", "NEWS"), needed=False) == [known[0]]
    assert fitting_tags(known, ("quantization",), needed=False) == []
    assert fitting_tags(known, ("quantization",), needed=True) == [known[2]]
    assert fitting_tags(known, ("gardening",), needed=True) is None
    assert fitting_tags((), (), needed=True) is None
