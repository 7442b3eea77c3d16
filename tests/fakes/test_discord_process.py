"""The fake in a process of its own, with the minimal bot in another."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"gpu": "h100", "model": "m", "batch": "32"}


async def start(module: str, *arguments: str, **environment: str) -> Process:
    """Start a module of the project."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", module, *arguments),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
        env=os.environ | environment,
    )


async def stop(process: Process) -> None:
    """End a process that may have ended by itself."""
    if process.returncode is None:
        process.kill()
    await process.communicate()


@pytest.mark.slow
async def test_a_bot_in_another_process_is_measured_under_load() -> None:
    fake = await start("tests.fakes.discord", "--port", "0")
    bot = None
    try:
        assert fake.stdout is not None
        where: dict[str, Any] = json.loads(await fake.stdout.readline())
        bot = await start(
            "tests.bench.minimal_bot",
            DISCORD_TOKEN=where["token"],
            DISCORD_API_BASE=where["api_base"],
            DISCORD_GATEWAY_URL=where["gateway_url"],
        )
        async with aiohttp.ClientSession() as http:
            await http.get(where["control"] + "/ready?commands=ping&timeout_s=20")
            shots = [
                {"command": "ping", "options": OPTIONS},
                {"command": "ping", "option": "gpu", "typed": "h1"},
            ]
            plan = {"shots": shots, "rate": 40, "seconds": 0.5}
            async with http.post(where["control"] + "/load", json=plan) as answer:
                result = await answer.json()
            async with http.get(where["control"] + "/state") as answer:
                state = await answer.json()
    finally:
        await stop(fake)
        if bot is not None:
            await stop(bot)
    assert result["sent"] == result["ack"]["n"] == 20 and result["late"] == 0
    assert state["commands"] == ["ping"] and state["violations"] == []
