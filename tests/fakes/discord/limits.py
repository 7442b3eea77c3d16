"""The documented limits of a message that no JSON schema holds: lengths, counts, components."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes.discord.errors import ApiError, Problem
from tests.fakes.discord.world import Json

EPHEMERAL, LOADING, COMPONENTS_V2 = 1 << 6, 1 << 7, 1 << 15
MAX_CONTENT, MAX_TEXT_V2, MAX_EMBED_TEXT = 2000, 4000, 6000
MAX_COMPONENTS, MAX_ROWS, MAX_EMBEDS, MAX_FILES, MAX_CUSTOM_ID = 40, 5, 10, 10, 100
ROW, BUTTON, STRING_SELECT, TEXT_DISPLAY = 1, 2, 3, 10
SELECTS = frozenset({3, 5, 6, 7, 8})
INTERACTIVE = SELECTS | {BUTTON}
LINK, PREMIUM = 5, 6
Where = tuple[str | int, ...]

CHILDREN = ("components", "component", "accessory")


def check_message(message: Json) -> None:
    """Refuse a finished message that Discord would refuse."""
    problems = list(_content_problems(message))
    problems += _component_problems(message)
    problems += _embed_problems(message["embeds"])
    problems += _mention_problems(message.get("allowed_mentions") or {})
    if problems:
        raise ApiError(50035, problems)
    parts = ("content", "embeds", "components", "attachments", "poll", "sticker_ids")
    if not any(message.get(part) for part in parts):
        raise ApiError(50006)


def walk(components: list[Json], at: Where = ("components",)) -> Iterator[tuple[Where, Json]]:
    """Yield every component with its place, containers before what they hold."""
    for index, component in enumerate(components):
        yield from _walk_one(component, (*at, index))


def _walk_one(component: Json, at: Where) -> Iterator[tuple[Where, Json]]:
    yield at, component
    for key in CHILDREN:
        child = component.get(key)
        if isinstance(child, list):
            yield from walk(child, (*at, key))
        elif isinstance(child, dict):
            yield from _walk_one(child, (*at, key))


def visible_text(message: Json) -> str:
    """Return the words a reader sees outside embeds: content and text displays."""
    shown = [c["content"] for _, c in walk(message["components"]) if c["type"] == TEXT_DISPLAY]
    return "\n".join(filter(None, [message["content"], *shown]))


def media_urls(components: list[Json]) -> Iterator[tuple[Where, Json]]:
    """Yield every ``{"url": ...}`` that components show: pictures, thumbnails and files."""
    for at, component in walk(components):
        for key in ("media", "file"):
            if isinstance(component.get(key), dict):
                yield (*at, key), component[key]
        for index, item in enumerate(component.get("items") or ()):
            yield (*at, "items", index), item["media"]


def _content_problems(message: Json) -> Iterator[Problem]:
    if len(message["content"]) > MAX_CONTENT:
        yield ("content",), f"must be {MAX_CONTENT} or fewer in length"
    if len(message["embeds"]) > MAX_EMBEDS:
        yield ("embeds",), f"must be {MAX_EMBEDS} or fewer in length"
    if len(message["attachments"]) > MAX_FILES:
        yield ("attachments",), f"must be {MAX_FILES} or fewer in length"
    if message["flags"] & COMPONENTS_V2:
        for legacy in ("content", "embeds", "poll", "sticker_ids"):
            if message.get(legacy):
                yield (legacy,), "cannot be used with the components v2 flag"


def _component_problems(message: Json) -> Iterator[Problem]:
    placed = list(walk(message["components"]))
    new = bool(message["flags"] & COMPONENTS_V2)
    if len(placed) > MAX_COMPONENTS:
        yield ("components",), f"{len(placed)} components, {MAX_COMPONENTS} are allowed"
    if not new:
        if len(message["components"]) > MAX_ROWS:
            yield ("components",), f"must be {MAX_ROWS} or fewer rows"
        for at, component in placed:
            if len(at) == 2 and component["type"] != ROW:
                yield at, f"type {component['type']} needs the components v2 flag"
    text = sum(len(c["content"]) for _, c in placed if c["type"] == TEXT_DISPLAY)
    if text > MAX_TEXT_V2:
        yield ("components",), f"{text} characters of text, {MAX_TEXT_V2} are allowed"
    yield from _id_problems(placed)
    for at, component in placed:
        yield from _one_component_problems(at, component)
    yield from _file_problems(message, new)


def _id_problems(placed: list[tuple[Where, Json]]) -> Iterator[Problem]:
    for key in ("custom_id", "id"):
        seen: set[str] = set()
        for at, component in placed:
            value = component.get(key)
            if not value:
                continue
            if str(value) in seen:
                yield (*at, key), f"{value!r} is used twice"
            seen.add(str(value))
            if len(str(value)) > MAX_CUSTOM_ID:
                yield (*at, key), f"must be {MAX_CUSTOM_ID} or fewer in length"


def _one_component_problems(at: Where, component: Json) -> Iterator[Problem]:
    kind = component["type"]
    if kind == ROW:
        kinds = [c["type"] for c in component["components"]]
        if any(k in SELECTS for k in kinds) and len(kinds) > 1:
            yield at, "a row holds up to 5 buttons or one select"
        if not 1 <= len(kinds) <= 5 or any(k not in INTERACTIVE for k in kinds):
            yield at, "a row holds 1 to 5 buttons or one select"
    elif kind == BUTTON:
        yield from _button_problems(at, component)
    elif kind in SELECTS:
        yield from _select_problems(at, component)
    elif kind == TEXT_DISPLAY and not component["content"].strip():
        yield (*at, "content"), "must not be empty"


def _button_problems(at: Where, button: Json) -> Iterator[Problem]:
    style, has_id = button.get("style"), bool(button.get("custom_id"))
    if style == LINK and (has_id or not button.get("url")):
        yield at, "a link button has a url and no custom_id"
    if style == LINK and not str(button.get("url")).startswith(("http://", "https://", "discord:")):
        yield (*at, "url"), "must be an http, https or discord address"
    if style not in (LINK, PREMIUM) and (not has_id or button.get("url")):
        yield at, "a button of this style has a custom_id and no url"
    if style != PREMIUM and not button.get("label") and not button.get("emoji"):
        yield at, "a button needs a label or an emoji"
    if len(button.get("label") or "") > 80:
        yield (*at, "label"), "must be 80 or fewer in length"


def _select_problems(at: Where, select: Json) -> Iterator[Problem]:
    low, high = select.get("min_values"), select.get("max_values")
    low, high = 1 if low is None else low, 1 if high is None else high
    if low > high:
        yield at, "min_values is over max_values"
    if len(select.get("placeholder") or "") > 150:
        yield (*at, "placeholder"), "must be 150 or fewer in length"
    if select["type"] != STRING_SELECT:
        return
    options = select.get("options") or []
    if not 1 <= len(options) <= 25:
        yield (*at, "options"), "must be between 1 and 25 in length"
    if high > len(options):
        yield (*at, "max_values"), "is over the number of options"
    if len({o["value"] for o in options}) != len(options):
        yield (*at, "options"), "two options have one value"
    for index, option in enumerate(options):
        for key in ("label", "value", "description"):
            if len(option.get(key) or "") > 100:
                yield (*at, "options", index, key), "must be 100 or fewer in length"


def _file_problems(message: Json, new: bool) -> Iterator[Problem]:
    names = {f"attachment://{a['filename']}" for a in message["attachments"]}
    urls = {a["url"] for a in message["attachments"]}
    shown = set()
    for at, media in media_urls(message["components"]):
        shown.add(media["url"])
        if media["url"].startswith("attachment://") and media["url"] not in names:
            yield (*at, "url"), f"{media['url']} is not among the attachments"
    for index, embed in enumerate(message["embeds"]):
        for key in ("image", "thumbnail"):
            url = (embed.get(key) or {}).get("url", "")
            if url.startswith("attachment://") and url not in names | urls:
                yield ("embeds", index, key, "url"), f"{url} is not among the attachments"
    for index, file in enumerate(message["attachments"] if new else ()):
        if not {f"attachment://{file['filename']}", file["url"]} & shown:
            yield ("attachments", index), "no component shows this file"


def _embed_problems(embeds: list[Json]) -> Iterator[Problem]:
    total = 0
    for index, embed in enumerate(embeds):
        fields = embed.get("fields") or []
        if len(fields) > 25:
            yield ("embeds", index, "fields"), "must be 25 or fewer in length"
        texts: list[tuple[Where, str | None, int]] = [(("title",), embed.get("title"), 256)]
        texts += [(("description",), embed.get("description"), 4096)]
        texts += [(("footer", "text"), (embed.get("footer") or {}).get("text"), 2048)]
        texts += [(("author", "name"), (embed.get("author") or {}).get("name"), 256)]
        for number, entry in enumerate(fields):
            for key, limit in (("name", 256), ("value", 1024)):
                texts.append((("fields", str(number), key), entry.get(key), limit))
                if not entry.get(key):
                    yield ("embeds", index, "fields", number, key), "must not be empty"
        for at, text, limit in texts:
            total += len(text or "")
            if len(text or "") > limit:
                yield ("embeds", index, *at), f"must be {limit} or fewer in length"
    if total > MAX_EMBED_TEXT:
        yield ("embeds",), f"{total} characters in all embeds, {MAX_EMBED_TEXT} are allowed"


def _mention_problems(allowed: Json) -> Iterator[Problem]:
    for kind in ("users", "roles"):
        if allowed.get(kind) and kind in (allowed.get("parse") or ()):
            yield ("allowed_mentions", kind), f"parse names {kind} too: one of the two"
