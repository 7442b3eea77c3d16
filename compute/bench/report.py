"""Several operators' results in one file, and reading any file that holds rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from compute.bench.result import BenchResult, Ceiling, Checked, Compiled, Environment, Part, Row
from compute.tool import Refused

FORMAT = 1
MOST_BYTES = 64 * 2**20


class Report(Part):
    """What ``k2c bench --suite S --json FILE`` writes: one list of rows for all operators."""

    format: int = FORMAT
    suite: str = ""
    environment: Environment = Environment()
    ceilings: tuple[Ceiling, ...] = ()
    rows: tuple[Row, ...] = ()
    compiled: tuple[Compiled, ...] = ()
    checked: tuple[Checked, ...] = ()
    left_out: tuple[str, ...] = ()


def report_of(suite: str, results: Iterable[BenchResult]) -> Report:
    """The rows of all results, in order; each ceiling once."""
    done = list(results)
    seen: dict[str, Ceiling] = {}
    for result in done:
        for ceiling in result.ceilings:
            seen.setdefault(ceiling.kind, ceiling)
    machines = [result.environment for result in done if result.environment.device != "none"]
    return Report(
        suite=suite,
        environment=machines[-1] if machines else Environment(),
        ceilings=tuple(seen.values()),
        rows=tuple(row for result in done for row in result.rows),
        compiled=tuple(kernel for result in done for kernel in result.compiled),
        checked=tuple(check for result in done for check in result.checked),
        left_out=tuple(
            f"{r.op} {text}"
            for r in done
            for text in (*r.left_out, *([f"the GPU stopped: {r.lost}"] if r.lost else []))
        ),
    )


def read_report(path: Path) -> Report:
    """A report, a single result (``--json``), or an answer of the API. Raises ``Refused``."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Refused(f"{path} is larger than {MOST_BYTES // 2**20} MiB.")
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise Refused(f"{path} is not JSON: {error}.") from None
    if isinstance(found, dict) and isinstance(found.get("result"), dict):
        found = found["result"]
    try:
        report = Report.model_validate(found)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise Refused(f"{path} is no benchmark: {place} {problem['msg']}.") from None
    if not report.rows:
        raise Refused(f"{path} holds no rows of a benchmark.")
    return report
