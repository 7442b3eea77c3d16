"""Two runs side by side in an answer: what changed beyond doubt, on the shapes of both."""

from __future__ import annotations

from bot.commands.bench.versus import alike, versus
from bot.render.discord import payload
from bot.view import Heading, Note, Table, View, plain
from tests.compute.bench.parts import H100, four, result, row


def said(view: View) -> list[str]:
    return [plain(b.words) for b in view.blocks if isinstance(b, Heading | Note)]


def test_the_later_run_is_judged_against_the_earlier_one() -> None:
    before = result(*four())
    after = result(row("torch", 0.346), row("triton", 0.09), row("cuda", 0.12))
    view = versus(before, after)
    head, *notes = said(view)
    assert head.startswith("rms_norm bf16: ")
    assert "1 faster" in head and "1 slower" in head and "1 no difference" in head
    (table,) = [b for b in view.blocks if isinstance(b, Table)]
    cells = {name: last for name, *_, last in table.rows}
    assert cells == {"eager": "1.00~", "triton": "1.12+", "cuda": "0.80-"}
    assert table.title == "16384x4096" and any("3 %" in note for note in notes)
    assert payload(view)["components"]


def test_what_else_changed_is_said() -> None:
    other = H100.model_copy(update={"name": "NVIDIA H200", "torch": "2.13.0"})
    notes = said(versus(result(*four()), result(*four(), environment=other)))
    assert any("another machine" in note for note in notes)
    assert any("another torch" in note for note in notes)


def test_without_a_common_shape_it_is_said() -> None:
    view = versus(result(*four()), result(row("torch", 1.0, shape="1x4096")))
    assert "no shape was measured in both runs" in said(view)[0]


def test_runs_of_one_operator_and_dtype_are_alike() -> None:
    one, other = ({"op": "gemm", "dtype": d} for d in ("bfloat16", "float16"))
    assert alike(one) == alike({**one, "rows": []}) != alike(other)
