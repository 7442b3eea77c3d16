from __future__ import annotations

import json
from pathlib import Path

import pytest

from compute.bench.comparing import compare, main
from compute.bench.files import COLUMNS, as_csv
from compute.bench.report import read_report, report_of
from compute.tool import Refused
from tests.compute.bench.parts import four, result, row


def written(path: Path, *rows: object, **changes: object) -> Path:
    path.write_text(result(*rows, **changes).model_dump_json())  # type: ignore[arg-type]
    return path


def test_a_run_compared_with_itself_shows_no_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = written(tmp_path / "a.json", *four())
    assert main([str(a), str(a)]) == 0
    assert capsys.readouterr().out.startswith("4 no difference")


def test_slower_needs_separated_quartiles_and_sets_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = written(tmp_path / "a.json", row("triton", 0.100))
    slower = written(tmp_path / "b.json", row("triton", 0.110))
    noisy = written(tmp_path / "c.json", row("triton", 0.110, q1_ms=0.09, q3_ms=0.13))
    assert main([str(a), str(slower)]) == 1
    assert main([str(slower), str(a)]) == 0
    assert main([str(a), str(noisy)]) == 0
    assert "0.91x  slower" in capsys.readouterr().out


def test_a_kernel_that_is_not_right_any_more_is_said_and_sets_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = written(tmp_path / "a.json", row("torch", 0.3), row("triton", 0.1), row("cuda", 0.1))
    gone = [row("triton", 0.1, state="wrong", why="relative error 0.3"),
            row("cuda", 0.1, state="skipped", why="no time left")]  # fmt: skip
    b = written(tmp_path / "b.json", row("torch", 0.3), *gone)
    c = written(tmp_path / "c.json", row("torch", 0.3), gone[1])
    assert main([str(a), str(b)]) == 1
    said = capsys.readouterr().out
    assert "triton 16384x4096: was measured, then wrong" in said
    assert "cuda 16384x4096: was measured, then skipped" in said
    assert main([str(a), str(c)]) == 0, "time that was short says nothing of a kernel"


def test_an_unstable_row_decides_nothing() -> None:
    first = report_of("", [result(row("triton", 0.1))])
    second = report_of("", [result(row("triton", 0.2, unstable=True))])
    (pair,) = compare(first, second)
    assert pair.verdict == "unstable"


def test_another_machine_or_ceiling_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = written(tmp_path / "a.json", *four())
    other = result(*four()).model_dump(mode="json")
    other["environment"]["driver"] = "590"
    other["ceilings"][0]["value"] = 2700.0
    (tmp_path / "b.json").write_text(json.dumps({"id": "x", "result": other}))
    main([str(a), str(tmp_path / "b.json")])
    said = capsys.readouterr().out
    assert "another driver: 580.65.06, then 590" in said
    assert "the copy ceiling moved by -10 %" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is not JSON"), ("[]", "no benchmark"), ("{}", "no rows"), ('{"rows": [1]}', "rows.0")],
)
def test_what_is_no_benchmark_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(Refused, match=words):
        read_report(path)
    assert main([str(path), str(path)]) == 2
    assert main([str(tmp_path / "none.json"), str(path)]) == 2


def test_csv_has_a_line_for_each_row_and_empty_cells_for_the_unknown() -> None:
    text = as_csv([row("triton", 0.1, copy_pct=None)])
    head, line = text.splitlines()
    cells = dict(zip(head.split(","), line.split(","), strict=True))
    assert tuple(cells) == COLUMNS
    assert (cells["implementation"], cells["copy_pct"], cells["median_ms"]) == ("triton", "", "0.1")
