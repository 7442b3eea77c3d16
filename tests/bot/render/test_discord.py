"""A View as Discord shows it: inside its limits, and never with a stranger's markup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.render.discord import Shown, custom_id, length, payload, render
from bot.view import (
    Block,
    Bold,
    Button,
    Chart,
    Code,
    Facts,
    File,
    Heading,
    Link,
    Note,
    Series,
    Table,
    Text,
    View,
)

RESULT = "A" * 22
CHART = Chart("t", "x", "y", (Series("s", (1.0,), (2.0,)),), alt="one point at (1, 2)")
SHOWN = Shown(RESULT, "https://k2c.example")


def parts(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every component, containers before what they hold."""
    for component in message["components"]:
        yield component
        if "components" in component:
            yield from parts(component)


def texts(*blocks: Block, shown: Shown = SHOWN) -> list[str]:
    """The text displays of a view."""
    return [p["content"] for p in parts(payload(View(blocks), shown)) if p["type"] == 10]


def button(message: dict[str, Any], label: str) -> dict[str, Any]:
    return next(p for p in parts(message) if p.get("label") == label)


def test_an_answer_is_one_container_with_the_text_in_order() -> None:
    view = View(
        (
            Heading((Bold("1,480 tokens/s"), " (1,210-1,760)")),
            Facts((("weights", "68.1 GiB"), ("KV", "0.16 GiB/user"))),
            Text(("Decode reads ", Code("W"), " once.")),
            Note(("measured",)),
            CHART,
            Button("Change inputs", "change"),
            Link("Page", f"/r/{RESULT}"),
        )
    )
    message = payload(view, Shown(RESULT, "https://k2c.example", png=b"png"))
    assert message["flags"] == 1 << 15
    (container,) = message["components"]
    assert container["type"] == 17 and container["accent_color"]
    assert [c["type"] for c in container["components"]] == [10, 10, 12, 1]
    assert texts(*view.blocks)[0] == (
        "**1,480 tokens/s** (1,210-1,760)\n```\nweights  68.1 GiB\nKV       0.16 GiB/user\n```"
    )
    assert texts(*view.blocks)[1] == "Decode reads `W` once.\n-# measured"
    gallery = container["components"][2]["items"][0]
    assert gallery["media"]["url"] == "attachment://chart.png"
    assert gallery["description"] == CHART.alt
    assert button(message, "Page")["url"] == f"https://k2c.example/r/{RESULT}"
    assert button(message, "Change inputs")["custom_id"] == f"k2c:change:{RESULT}"


def test_a_heading_without_bold_is_bold_as_a_whole() -> None:
    assert texts(Heading(("What this assumes",))) == ["**What this assumes**"]


def test_a_chart_that_is_not_drawn_shows_nothing_or_a_button() -> None:
    view = View((Text(("text",)), CHART))
    assert {p["type"] for p in parts(payload(view, SHOWN))} == {17, 10}
    later = payload(view, Shown(RESULT, chart_button=True))
    assert button(later, "Chart")["custom_id"] == f"k2c:chart:{RESULT}"


def test_share_is_left_out_where_everyone_sees_the_answer() -> None:
    view = View((Text(("text",)), Button("Share", "share")))
    assert button(payload(view, SHOWN), "Share")
    public = payload(view, Shown(RESULT, public=True))
    assert not [p for p in parts(public) if p.get("label") == "Share"]


def test_repairs_stand_on_their_own_row_before_the_rest() -> None:
    view = View(
        (
            Text(("no",)),
            Button("Change inputs", "change"),
            Button("Use 2 GPUs", "fix", "0", "primary"),
            Button("Use fp8", "fix", "1", "primary"),
        )
    )
    rows = [p for p in parts(payload(view, SHOWN)) if p["type"] == 1]
    labels = [[b["label"] for b in row["components"]] for row in rows]
    assert labels == [["Use 2 GPUs", "Use fp8"], ["Change inputs"]]
    assert button(payload(view, SHOWN), "Use fp8")["custom_id"] == f"k2c:fix:{RESULT}:1"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil", "", "ftp://x"]
)
def test_a_button_leads_only_to_web_pages(url: str) -> None:
    message = payload(View((Text(("text",)), Link("Page", url))), Shown(RESULT, ""))
    assert not [p for p in parts(message) if p["type"] == 2]


def test_a_page_link_without_a_base_is_left_out() -> None:
    message = payload(View((Text(("text",)), Link("Page", "/r/1"))), Shown(RESULT, ""))
    assert not [p for p in parts(message) if p["type"] == 2]


def test_a_code_block_cannot_be_closed_from_inside() -> None:
    (shown,) = texts(Facts((("name", "```\n@everyone\n```"),)))
    assert shown.count("```") == 2 and "@everyone" not in shown


words = st.text(max_size=60)


@given(st.lists(words, min_size=1, max_size=3))
def test_any_text_is_a_message_that_discord_takes(given_words: list[str]) -> None:
    blocks: list[Block] = [Text((Bold(w), w, Code(w))) for w in given_words]
    message = payload(View((*blocks, Note((given_words[0],)))), SHOWN)
    shown = [p["content"] for p in parts(message) if p["type"] == 10]
    assert shown and all(text.strip() for text in shown)
    "".join(shown).encode("utf-8")


@pytest.mark.parametrize("kind", ["text", "table", "many"])
def test_too_much_text_ends_at_a_block_with_a_sentence_and_the_page(kind: str) -> None:
    long: dict[str, list[Block]] = {
        "text": [Text(("word " * 3000, Bold("end")))],
        "table": [Table(("a", "b"), tuple((f"row {i}", f"{i}") for i in range(900)))],
        "many": [Text((f"paragraph {i} " + "\U0001f600" * 50,)) for i in range(200)],
    }
    view = View((Heading(("The answer",)), *long[kind], Link("Page", "/r/1")))
    shown = [p["content"] for p in parts(payload(view, SHOWN)) if p["type"] == 10]
    assert 3000 < sum(length(text) for text in shown) <= 4000
    assert shown[-1].endswith("the page has it all.") and shown[0].startswith("**The answer**")
    assert "".join(shown).count("```") % 2 == 0
    assert button(payload(view, SHOWN), "Page")


def test_the_largest_message_has_at_most_forty_components() -> None:
    blocks: list[Block] = []
    for i in range(12):
        blocks += [Facts((("n", str(i)),)), Text((f"text {i}",)), File(f"f{i}.txt", "t", b"x")]
    blocks += [Button(f"b{i}", "fix", str(i)) for i in range(30)]
    blocks += [CHART, *(Link(f"l{i}", "https://a.example") for i in range(30))]
    message = payload(View(tuple(blocks)), Shown(RESULT, png=b"png", public=True))
    assert len(list(parts(message))) <= 40
    rows = [p for p in parts(message) if p["type"] == 1]
    assert all(len(row["components"]) <= 5 for row in rows)


def test_files_are_attached_under_safe_names() -> None:
    made = render(View((Text(("t",)), File("../../etc/päss wd", "text/plain", b"x"))), SHOWN)
    assert [a.name for a in made.attachments] == ["1-.._.._etc_p_ss_wd"]
    assert made.files()[0].filename == made.attachments[0].name
    assert made.files()[0].fp is not made.files()[0].fp, "each attempt uploads fresh files"


def test_a_file_too_large_for_discord_is_left_out() -> None:
    made = render(View((Text(("t",)), File("f", "t", b"x" * (10 * 2**20 + 1)))), SHOWN)
    assert made.attachments == ()


def test_an_empty_view_is_still_a_message() -> None:
    assert texts() == ["…"]


def test_a_button_id_that_is_too_long_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="at most 100"):
        custom_id("fix", RESULT, "9" * 80)
