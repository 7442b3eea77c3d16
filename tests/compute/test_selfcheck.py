from __future__ import annotations

import hashlib

import pytest

from compute.context import LocalContext
from compute.inputs import check_inputs
from compute.jobs.lanes import lane_of
from compute.selfcheck import TOOL, needs, run
from compute.tool import Refused, Request, Result


def checked(**inputs: object) -> Request:
    return check_inputs(TOOL, {"seconds": 0, **inputs})  # type: ignore[dict-item]


async def test_it_tells_the_machine_and_keeps_a_file_of_that_size() -> None:
    context = LocalContext("http://127.0.0.1:9")
    result = await run(checked(file_kib=3), context)  # type: ignore[arg-type]
    assert result.cores >= 1 and result.python.startswith("3.")
    (content,) = context.files.values()
    assert len(content) == 3 * 1024
    assert result.file_sha256 == hashlib.sha256(content).hexdigest()


async def test_without_a_file_there_is_no_hash() -> None:
    result: Result = await run(checked(file_kib=0), LocalContext("http://127.0.0.1:9"))  # type: ignore[arg-type]
    assert result.model_dump()["file_sha256"] == ""


async def test_secrets_in_the_environment_are_named_and_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "hunter2")
    result = await run(checked(), LocalContext("http://127.0.0.1:9"))  # type: ignore[arg-type]
    assert "DISCORD_TOKEN" in result.secrets
    assert "hunter2" not in result.model_dump_json()


@pytest.mark.parametrize("wrong", [{"seconds": 61}, {"steps": 0}, {"file_kib": 65_537}])
def test_its_bounds_are_small(wrong: dict[str, int]) -> None:
    with pytest.raises(Refused):
        checked(**wrong)


def test_it_goes_where_it_is_told() -> None:
    assert lane_of(needs(checked(where="any"))) == "any"  # type: ignore[arg-type]
    assert lane_of(needs(checked(where="cuda"))) == "cuda"  # type: ignore[arg-type]


def test_an_earlier_answer_proves_nothing() -> None:
    assert not needs(checked()).shared  # type: ignore[arg-type]
