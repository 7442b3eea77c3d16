"""What a person sees on a message besides its words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def labels(message: dict[str, Any]) -> list[str]:
    """The labels of its buttons, in order."""
    return [button["label"] for button in buttons(message)]


def links(message: dict[str, Any]) -> list[str]:
    """Where its link buttons lead."""
    return [button["url"] for button in buttons(message) if "url" in button]


def custom_ids(message: dict[str, Any]) -> list[str]:
    """The ids of its other buttons."""
    return [button["custom_id"] for button in buttons(message) if "custom_id" in button]


def buttons(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Its buttons wherever they stand."""
    for component in part.get("components", ()):
        if component["type"] == 2:
            yield component
        yield from buttons(component)


def token_of(message: dict[str, Any], label: str) -> str:
    """What the button with that label is about: the 22 characters in its id."""
    found = next(button for button in buttons(message) if button["label"] == label)
    return str(found["custom_id"].split(":")[2])
