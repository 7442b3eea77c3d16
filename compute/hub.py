"""Any model id of the Hugging Face hub: its config.json, fetched and parsed with suspicion."""

from __future__ import annotations

import json
import re
from typing import Any

from compute.tool import Context, FetchError, Refused

PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?"
MODEL_ID = re.compile(f"({PART})/({PART})")
CONFIG_BYTES = 1 << 20
DEEPEST = 12
EXAMPLE = "meta-llama/Llama-3.1-8B"


def is_model_id(text: str) -> bool:
    """Whether ``text`` is ``organisation/name`` as the hub writes it, and no path."""
    return MODEL_ID.fullmatch(text) is not None and ".." not in text and "--" not in text


async def model_config(
    model_id: str, ctx: Context, nearest: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The model's config.json. Raises ``Refused`` with what to do; ``nearest`` are like names."""
    if not is_model_id(model_id):
        raise _refuse("That is not a Hugging Face model id (organisation/name).", model_id, nearest)
    url = f"{ctx.hub_endpoint}/{model_id}/resolve/main/config.json"
    try:
        body = await ctx.fetch(url, limit_bytes=CONFIG_BYTES)
    except FetchError as error:
        raise _refuse(_fetch_sentence(error), model_id, nearest) from error
    return parse_config(body, model_id, nearest)


def parse_config(body: bytes, model_id: str, nearest: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON object in ``body``, not nested too deep. Raises ``Refused``."""
    try:
        config = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refuse("Its config.json is not valid JSON.", model_id, nearest) from error
    if not isinstance(config, dict):
        raise _refuse("Its config.json is not a JSON object.", model_id, nearest)
    if not _shallow(config, DEEPEST):
        raise _refuse("Its config.json is nested too deep to be one.", model_id, nearest)
    return config


def _shallow(value: Any, left: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    if left == 0:
        return False
    inner = value.values() if isinstance(value, dict) else value
    return all(_shallow(item, left - 1) for item in inner)


def _fetch_sentence(error: FetchError) -> str:
    if error.status in (401, 403, 404):
        return (
            "The hub has no public config.json for that model: it may be private, gated, misspelt"
            " or kept in another format."
        )
    if error.status == 429:
        return "The hub asks for a pause (too many requests); try again in a minute."
    if error.status is not None:
        return f"The hub answered with status {error.status}; try again later."
    return f"I can't ask the hub now: {error} Try a model of the catalogue, or try again later."


def _refuse(message: str, model_id: str, nearest: tuple[str, ...]) -> Refused:
    return Refused(message, field="model", given=model_id[:100], nearest=nearest, example=EXAMPLE)
