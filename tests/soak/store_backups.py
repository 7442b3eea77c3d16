"""Backs up to each path that comes on standard input, and says how that went.

``python -m tests.soak.store_backups FILE``
"""

from __future__ import annotations

import sys
from pathlib import Path

from bot.backup import backup
from bot.store import StoreError


def main(database: Path) -> None:
    """Until standard input ends."""
    for line in sys.stdin:
        try:
            words = f"done {backup(database, Path(line.strip()))}"
        except StoreError as error:
            words = f"failed {error}"
        sys.stdout.write(words + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
