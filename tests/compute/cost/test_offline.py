"""Without any network the answer is the same, dated, and waits for nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

CODE = """
import asyncio, json, socket, sys

def away(*_, **__):
    raise OSError("no network here")

socket.socket.connect = away
socket.socket.connect_ex = away
socket.getaddrinfo = away
socket.create_connection = away

from compute.cost import TOOL
from compute.inputs import check_inputs
from tests.sample import PlainContext

TOOL.prepare()
asked = {"model": "openai/gpt-oss-120b", "requests_per_day": 50000, "start": "2026-11-23"}
result = asyncio.run(TOOL.run(check_inputs(TOOL, asked), PlainContext()))
import threading
print(json.dumps([result.headline, result.prices_source, result.prices_date,
                  result.gpu_prices_date, len(result.providers), threading.active_count()]))
"""


@pytest.mark.slow
def test_with_sockets_blocked_the_answer_comes_with_its_dates() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    headline, source, date, gpu_date, sellers, threads = json.loads(done.stdout)
    assert headline.startswith("Buy it: $")
    assert "bundled" in source
    assert date == "2026-11-09"
    assert gpu_date == "2026-08-23"
    assert sellers == 23
    assert threads == 1
