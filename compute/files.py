"""Files that a tool adds to its answer: which names, types and sizes are taken."""

from __future__ import annotations

import re
from typing import Literal, get_args

MAX_FILE_BYTES = 64 * 2**20
MAX_FILES = 32

MediaType = Literal["text/plain", "text/csv", "application/json", "image/png", "text/html"]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"


def check_file(name: str, media_type: str, size: int) -> None:
    """Raises ``ValueError`` with a sentence for a name, type or size that is not taken."""
    if not re.fullmatch(NAME, name):
        raise ValueError(f"{name[:80]!r} is no file name: letters, digits, dot, dash, underscore")
    if media_type not in get_args(MediaType):
        raise ValueError(f"{name} is {media_type[:80]}; taken are {', '.join(get_args(MediaType))}")
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{name} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are taken")
