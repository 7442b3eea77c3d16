"""What can be pressed under a Discord message: rows of buttons, and menus that stand for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import discord

from bot.render.markup import visible, web_address
from bot.view import Button, Link, Menu, View

if TYPE_CHECKING:
    from bot.render.discord import Shown

MAX_LABEL = 80
MAX_URL = 512
MAX_CUSTOM_ID = 100
MAX_BUTTONS = 20  # of 40 components: 1 container, 4 rows, 20 buttons, up to 15 texts and files
MAX_ENTRIES = 25  # of a menu, which has a row for itself
ROW = 5
PICK = "pick"  # the action of a menu itself; what was chosen is in its entry
STYLES = {
    "plain": discord.ButtonStyle.secondary,
    "primary": discord.ButtonStyle.primary,
    "danger": discord.ButtonStyle.danger,
}


def custom_id(action: str, result_id: str, argument: str = "") -> str:
    """``k2c:<action>:<result id>[:<argument>]``, the whole memory of a button."""
    made = f"k2c:{action}:{result_id}" + (f":{argument}" if argument else "")
    if len(made) > MAX_CUSTOM_ID:
        raise ValueError(f"a button's id has at most {MAX_CUSTOM_ID} characters: {made}")
    return made


Pressable = discord.ui.Button[Any] | discord.ui.Select[Any]


def pressed_id(data: Mapping[str, Any]) -> str:
    """The id of what an interaction pressed; of a menu that of the chosen entry."""
    made = str(data.get("custom_id", ""))
    values = data.get("values")
    chosen = made.startswith(f"k2c:{PICK}:") and isinstance(values, list) and values
    return str(values[0]) if chosen and values else made


def rows_of(view: View, shown: Shown) -> list[list[Pressable]]:
    """Repairs on their own row first, so that the thumb finds them; menus; the standing ones."""
    wanted = [b for b in view.blocks if isinstance(b, Button | Link)]
    if shown.public:
        wanted = [b for b in wanted if not (isinstance(b, Button) and b.action == "share")]
    if shown.chart_button and view.charts():
        wanted.insert(0, Button("Chart", "chart"))
    repairs = [b for b in wanted if isinstance(b, Button) and b.action == "fix"]
    others = [b for b in wanted if b not in repairs]
    menus = [b for b in view.blocks if isinstance(b, Menu) and b.buttons]
    rows = _full_rows(repairs, shown)
    rows += [[_menu(menu, place, shown)] for place, menu in enumerate(menus)]
    return [*rows, *_full_rows(others, shown)][: MAX_BUTTONS // ROW]


def _full_rows(blocks: Sequence[Button | Link], shown: Shown) -> list[list[Pressable]]:
    made = [button for b in blocks if (button := _button(b, shown)) is not None]
    return [list(made[start : start + ROW]) for start in range(0, len(made), ROW)]


def _menu(block: Menu, place: int, shown: Shown) -> discord.ui.Select[Any]:
    """Each entry's value is the id of the button that it stands for."""
    entries = [
        discord.SelectOption(
            label=visible(entry.label).strip()[:MAX_LABEL] or "\u2026",
            value=custom_id(entry.action, shown.result_id, entry.argument),
        )
        for entry in block.buttons[:MAX_ENTRIES]
    ]
    label = visible(block.label).strip()[:MAX_LABEL] or "\u2026"
    made = custom_id(PICK, shown.result_id, str(place))
    return discord.ui.Select(custom_id=made, placeholder=label, options=entries)


def _button(block: Button | Link, shown: Shown) -> discord.ui.Button[Any] | None:
    label = visible(block.label).strip()[:MAX_LABEL] or "\u2026"
    if isinstance(block, Button):
        made = custom_id(block.action, shown.result_id, block.argument)
        return discord.ui.Button(label=label, style=STYLES[block.style], custom_id=made)
    url = web_address(block.url, shown.base_url)
    if url is None or len(url) > MAX_URL:
        return None
    return discord.ui.Button(label=label, url=url)
