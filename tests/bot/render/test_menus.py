"""A menu at every door: a select in Discord, a list of forms on a page, nothing in plain text."""

from __future__ import annotations

from typing import Any

from bot.render.discord import Shown, payload
from bot.render.discord_rows import pressed_id
from bot.render.github import github_markdown
from bot.render.html import Around, render
from bot.view import Button, Heading, Menu, View

RID = "abcdefghijklmnopqrstuv"
VIEW = View(
    (
        Heading(("an answer",)),
        Button("Use h200", "fix", "0", "primary"),
        Menu("Shapes", (Button("sweep", "fix", "1"), Button("models", "fix", "2"))),
        Button("Assumptions", "details"),
    )
)


def rows() -> list[list[dict[str, Any]]]:
    (container,) = payload(VIEW, Shown(RID))["components"]
    return [part["components"] for part in container["components"] if part["type"] == 1]


def test_a_menu_has_a_row_of_its_own_between_repairs_and_the_standing_buttons() -> None:
    (fix,), (menu,), (details,) = rows()
    assert fix["label"] == "Use h200" and details["label"] == "Assumptions"
    assert menu["type"] == 3 and menu["placeholder"] == "Shapes"
    assert [(o["label"], o["value"]) for o in menu["options"]] == [
        ("sweep", f"k2c:fix:{RID}:1"),
        ("models", f"k2c:fix:{RID}:2"),
    ]


def test_a_chosen_entry_is_the_button_that_it_stands_for() -> None:
    menu = rows()[1][0]
    data = {"custom_id": menu["custom_id"], "values": [f"k2c:fix:{RID}:2"]}
    assert pressed_id(data) == f"k2c:fix:{RID}:2"
    assert pressed_id({"custom_id": f"k2c:fix:{RID}:0", "values": ["k2c:delete:x"]}) == (
        f"k2c:fix:{RID}:0"
    ), "only a menu of ours has entries"
    assert pressed_id({"custom_id": menu["custom_id"], "values": []}) == menu["custom_id"]


def test_a_page_opens_the_menu_without_a_script() -> None:
    html = str(render(VIEW, Around(result_id=RID)))
    assert '<summary class="button">Shapes</summary>' in html
    assert f'action="/r/{RID}/fix/1"' in html and f'action="/r/{RID}/fix/2"' in html


def test_a_page_that_keeps_nothing_offers_no_menu() -> None:
    assert "Shapes" not in str(render(VIEW, Around()))


def test_markdown_has_no_menu() -> None:
    assert "Shapes" not in github_markdown(VIEW, "https://k2c.example")
