"""How a command on the bot's machine shows the running bot that it is the operator's.

A file that only the bot's own user can read; the key is new at each start.
"""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from pathlib import Path

FILE_NAME = "operator.key"
HEADER = "X-Operator-Key"


def make_key(data_dir: Path) -> str:
    """A new key, written there whole. Raises ``OSError``."""
    key = secrets.token_urlsafe(32)
    with tempfile.NamedTemporaryFile("w", dir=data_dir, delete=False) as file:
        file.write(key)  # mkstemp makes it 0600
    os.replace(file.name, data_dir / FILE_NAME)
    return key


def read_key(data_dir: Path) -> str:
    """The key of the bot that runs there or ran last; "" where it cannot be read."""
    try:
        return (data_dir / FILE_NAME).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def is_key(given: str, key: str) -> bool:
    """Whether ``given`` is ``key``; where there is no key nothing is."""
    return bool(key) and hmac.compare_digest(given.encode("utf-8", "replace"), key.encode())
