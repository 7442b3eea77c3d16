"""``python -m compute.bench --suite models --json FILE``: a suite without the bot."""

from __future__ import annotations

import sys

from compute.bench.suite import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
