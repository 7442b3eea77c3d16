from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from compute.bench.index import PATH, listed
from tests.compute.kernels.finding import need_worker_packages

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_list_is_what_the_registry_says() -> None:
    need_worker_packages()
    from compute.bench.indexing import text

    assert PATH.read_text(encoding="utf-8") == text(), "run python -m compute.bench.indexing"


@pytest.mark.slow
def test_the_lists_bytes_are_the_operators_own() -> None:
    need_worker_packages()
    from compute.kernels.registry import operators

    for name, operator in operators().items():
        op = listed()[name]
        for dtype in operator.dtypes:
            for suite in operator.suites.values():
                for dims in suite:
                    exact = operator.bytes(dims, dtype)
                    assert op.bytes(dims, dtype) == pytest.approx(exact, rel=0.05), (name, dims)


def test_the_list_is_read_without_torch() -> None:
    code = (
        "import sys; from compute.bench import TOOL; TOOL.prepare();"
        "TOOL.needs(TOOL.request(op='rms_norm'));"
        "print([m for m in ('torch', 'triton', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_every_operator_has_its_suites_and_dims() -> None:
    for record in json.loads(PATH.read_text(encoding="utf-8")):
        assert {"smoke", "models", "sweep"} <= record["suites"].keys(), record["name"]
        for suite in record["suites"].values():
            assert all(set(dims) == set(record["dims"]) for dims in suite), record["name"]
