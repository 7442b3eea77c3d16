"""Kept answers: what was asked, what came out, who may delete it and until when it stays."""

from __future__ import annotations

import secrets
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from compute.tool import Refusal

Door = Literal["discord", "web", "api", "terminal"]

ID_BYTES = 16  # 128 bits: a page's address is its only key


class StoredResult(BaseModel):
    """One row of the results table; times are Unix seconds, ids of Discord are decimal text."""

    model_config = ConfigDict(frozen=True)

    id: str
    tool: str
    inputs: dict[str, JsonValue]
    request: dict[str, JsonValue] | None
    result: dict[str, JsonValue] | None
    refusal: Refusal | None
    door: Door
    user_id: str = ""
    guild_id: str = ""
    channel_id: str = ""
    private: bool = False
    delete_key: str = ""
    created_at: float
    expires_at: float


def new_result_id() -> str:
    """An unguessable id: 22 characters of the URL-safe alphabet."""
    return secrets.token_urlsafe(ID_BYTES)
