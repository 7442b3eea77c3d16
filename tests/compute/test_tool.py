from __future__ import annotations

import pytest

from compute.tool import Fix, Refused, load_tool


@pytest.mark.parametrize("name", ["nothing", "tool", "os", "..config", "throughput.request", ""])
def test_only_a_tool_is_loaded_by_name(name: str) -> None:
    with pytest.raises(LookupError, match="no tool named"):
        load_tool(name)


def test_a_tool_is_found_by_its_module() -> None:
    assert load_tool("throughput").name == "throughput"


def test_a_refusal_keeps_all_that_the_person_needs() -> None:
    fix = Fix(label="Use 2 GPUs", changes={"n_gpus": 2})
    error = Refused("No.", field="n_gpus", given="1", nearest=("2",), example="2", fixes=(fix,))
    assert error.refusal.model_dump() == {
        "message": "No.", "field": "n_gpus", "given": "1", "nearest": ("2",), "example": "2",
        "our_fault": False,
        "fixes": (
            {"label": "Use 2 GPUs", "changes": {"n_gpus": 2}, "detail": "", "optional": False,
                 "in_place": False, "group": ""},
        ),
    }  # fmt: skip
    assert str(error) == error.message == "No."
