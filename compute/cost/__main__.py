"""``python -m compute.cost FILE``: the traffic profile of a CSV of requests, as JSON.

For ``k2c cost --profile``; the format is that of traffic_profiles.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from compute.cost.trace import MAX_BYTES, record_of_csv
from compute.tool import Refused


def main(argv: Sequence[str]) -> int:
    """Print the profile of the CSV named in ``argv``; 2 with a sentence where it is none."""
    try:
        with Path(argv[0]).open("rb") as file:
            record = record_of_csv(file.read(MAX_BYTES + 1))
    except IndexError:
        sys.stderr.write("Name a CSV file of timestamps and tokens.\n")
    except OSError as error:
        sys.stderr.write(f"{argv[0]} cannot be read: {error.strerror}.\n")
    except Refused as refused:
        sys.stderr.write(f"{refused.message}\n")
    else:
        sys.stdout.write(json.dumps(record) + "\n")
        return 0
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
