"""The fake GitHub in a process of its own, driven over its control endpoint."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
async def test_another_process_serves_the_api_and_tells_its_state() -> None:
    fake = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.github", "--port", "0"),
        cwd=ROOT, stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    assert fake.stdin is not None and fake.stdout is not None
    at = json.loads(await asyncio.wait_for(fake.stdout.readline(), 30))
    headers = {"Authorization": f"bearer {at['token']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        post = {"title": "T", "body": "b"}
        await session.post(at["control"] + "/discussion", json=post)
        planned = {"name": "viewer", "kind": "502"}
        await session.post(at["control"] + "/fault", json=planned)
        body = {"query": "{ viewer { login } }"}
        statuses = []
        for _ in range(2):
            async with session.post(at["api_base"] + "/graphql", json=body) as answer:
                statuses.append(answer.status)
        async with session.get(at["control"] + "/state") as answer:
            state = await answer.json()
    fake.stdin.close()
    await asyncio.wait_for(fake.wait(), 30)
    assert statuses == [502, 200] and state["calls"] == 2 and state["violations"] == []
    assert [d["title"] for d in state["discussions"]] == ["T"] and fake.returncode == 0
