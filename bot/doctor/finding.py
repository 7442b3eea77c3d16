"""What the doctor says of one part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

State = Literal["ok", "off", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``off`` is a part that is not configured or not needed; ``fix`` says what to do, if any."""

    part: str
    state: State
    sentence: str
    fix: str = ""


def place(address: str) -> str:
    """Scheme, host and port of ``address``: what may be shown, as the rest may hold a password."""
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host or ''}{port}"
