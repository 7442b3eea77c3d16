"""Who sells a model, under whatever name; refreshes that fail or lie change nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from aiohttp import web

from compute.cost.pricebook import BOOKS, plain_name, same_model, start_refresh

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("typed", "sellers"),
    [
        ("openai/gpt-oss-120b", 23),
        ("gpt-oss-120b", 23),
        ("GPT-OSS-120B", 23),
        ("moonshotai/Kimi-K3", 17),
        ("meta-llama/Llama-3.3-70B-Instruct", 19),
        ("deepseek-ai/DeepSeek-V4-Pro", 10),
        ("no-such-model", 0),
    ],
)
def test_every_seller_of_a_model_is_found_under_any_of_its_names(typed: str, sellers: int) -> None:
    assert len(BOOKS.newest().sellers(typed)) == sellers


def test_versions_and_variants_are_other_models() -> None:
    names = {s.model.id for s in BOOKS.newest().sellers("deepseek-v4-pro")}
    assert not any("0813" in name or "flash" in name for name in names)
    names = {s.model.id for s in BOOKS.newest().sellers("openai/gpt-oss-120b")}
    assert not any(":free" in name or ":batch" in name for name in names)


@pytest.mark.parametrize(
    ("provider", "listed", "plain"),
    [
        ("aws", "openai.gpt-oss-120b-1:0", "gptoss120b"),
        ("aws", "meta.llama3-3-70b-instruct-v1:0", "llama3370b"),
        ("aws", "global.moonshotai.kimi-k3", "kimik3"),
        ("fireworks", "deepseek-v4p1-flash", "deepseekv41flash"),
        ("databricks", "databricks-gpt-oss-120b", "gptoss120b"),
        ("cloudflare", "@cf/openai/gpt-oss-120b", "gptoss120b"),
        ("groq", "llama-3.3-70b-versatile", "llama3370b"),
        ("avian", "Meta-Llama-3.3-70B-Instruct", "llama3370b"),
        ("openrouter", "openai/gpt-oss-120b:free", "openaigptoss120bfree"),
    ],
)
def test_a_listing_is_known_by_its_plain_name(provider: str, listed: str, plain: str) -> None:
    assert plain_name(provider, listed) == plain


def test_providers_answer_to_id_and_name() -> None:
    book = BOOKS.newest()
    found = book.provider("Together AI")
    assert found is not None
    assert found.id == "together"
    assert book.provider("nobody") is None
    assert book.nearest_providers("antropic") == ("anthropic",)


def test_completion_finds_what_is_sold() -> None:
    assert ("openai/gpt-oss-120b", "openai/gpt-oss-120b") in BOOKS.newest().suggest_models(
        "gpt-oss"
    )


def run_apart(code: str) -> str:
    """What ``code`` prints in a process of its own: a refresh changes the whole process."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_importing_the_tool_loads_no_price_data_and_starts_no_thread() -> None:
    code = (
        "import sys, threading, compute.cost, bot.commands.cost;"
        "print('genai_prices' in sys.modules, threading.active_count())"
    )
    try:
        import bot.commands.cost  # noqa: F401
    except ModuleNotFoundError:
        code = code.replace(", bot.commands.cost", "")
    assert run_apart(code) == "False 1"


@pytest.mark.slow
def test_a_refresh_that_cannot_connect_leaves_the_bundled_prices() -> None:
    code = """
import time, logging
from compute.cost import start_refresh, price_request, Usage
from compute.cost.pricebook import BOOKS
from genai_prices.update_prices import wait_prices_updated_sync
import datetime as dt
logging.disable()
stop = start_refresh("http://127.0.0.1:1/data.json")
try:
    wait_prices_updated_sync(30)
except Exception as error:
    print(type(error).__name__)
price = price_request("gpt-5", "openai", Usage(1000, 10), dt.date(2026, 11, 23))
print(price.usd, price.source)
stop()
"""
    lines = run_apart(code).splitlines()
    assert lines[0] == "ConnectError"
    assert lines[1].startswith("0.00135 genai-prices")
    assert "bundled" in lines[1]


async def _served(payload: bytes) -> tuple[web.AppRunner, str]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=payload, content_type="application/json")

    app = web.Application()
    app.router.add_get("/data.json", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    return runner, f"http://127.0.0.1:{port}/data.json"


REFRESH = """
import datetime as dt, logging
logging.disable()
from compute.cost import start_refresh, price_request, Usage
from compute.cost.pricebook import BOOKS
from genai_prices.update_prices import wait_prices_updated_sync
import compute.cost.pricebook as p
p.LEAST_SHARE = {share}
BOOKS.newest()
stop = start_refresh({url!r})
try:
    wait_prices_updated_sync(30)
    print("ok")
except Exception as error:
    print(error)
try:
    print(price_request("gpt-5", "openai", Usage(1000, 0), dt.date(2026, 11, 23)).usd)
except Exception as error:
    print(error)
print(BOOKS.newest().source)
stop()
"""
FEED = json.dumps(
    [
        {
            "id": "openai",
            "name": "OpenAI",
            "api_pattern": "x",
            "models": [
                {
                    "id": "gpt-5",
                    "match": {"equals": "gpt-5"},
                    "prices": {"input_mtok": 7, "output_mtok": 8},
                }
            ],
        }
    ]
).encode()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("payload", "share", "lines"),
    [
        (FEED, 0.0, ["ok", "0.007", "refreshed"]),
        (FEED, 0.5, ["only 1 models in the refreshed prices", "0.00125", "bundled"]),
        (b"[]", 0.5, ["only 0 models", "0.00125", "bundled"]),
        (b"<html>", 0.5, ["Expecting value", "0.00125", "bundled"]),
    ],
    ids=["fresh", "shrunk", "empty", "a page"],
)
async def test_a_refresh_is_believed_only_when_it_makes_sense(
    payload: bytes, share: float, lines: list[str]
) -> None:
    runner, url = await _served(payload)
    try:
        printed = await asyncio.to_thread(run_apart, REFRESH.format(url=url, share=share))
    finally:
        await runner.cleanup()
    assert len(printed.splitlines()) == 3
    for line, expected in zip(printed.splitlines(), lines, strict=True):
        assert expected in line


def test_starting_a_refresh_never_waits(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="genai-prices")
    before = threading.active_count()
    stop = start_refresh("http://127.0.0.1:1/data.json")
    assert threading.active_count() == before + 1
    stop()
    for thread in threading.enumerate():
        if thread.name == "genai_prices:update":
            thread.join(30)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("model", "provider", "listed"),
    [
        # what the price data's matching by beginnings takes for the model, and what it is not
        ("MiniMaxAI/MiniMax-M2.7", "huggingface_novita", "MiniMaxAI/MiniMax-M2"),
        ("DeepSeek-R1-Distill-Llama-70B", "deepseek", "deepseek-reasoner"),
        ("deepseek-ai/DeepSeek-R1-0528", "huggingface_together", "deepseek-ai/DeepSeek-R1"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "huggingface_nscale", "Qwen/Qwen3-235B-A22B"),
        ("zai-org/GLM-5.3-Fast", "huggingface_novita", "zai-org/GLM-5.3"),
        ("togethercomputer/GPT-JT-Moderation-6B", "openai", "moderation"),
    ],
)
def test_kin_of_a_model_is_not_the_model(model: str, provider: str, listed: str) -> None:
    sold = {(s.provider.id, s.model.id) for s in BOOKS.newest().sellers(model)}
    assert (provider, listed) not in sold
    assert not same_model(provider, model, listed)


@pytest.mark.parametrize(
    ("model", "provider", "listed"),
    [
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "openrouter", "meta-llama/llama-4-scout"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "openrouter", "mistralai/mistral-7b-instruct"),
        ("o3", "azure", "o3-2025-04-16"),
        ("o3-2025-04-16", "openai", "o3"),
        ("codestral-2501", "mistral", "codestral"),
        ("claude-sonnet-4-5-20250929", "anthropic", "claude-sonnet-4-5"),
    ],
)
def test_a_size_or_a_date_more_is_the_same_model(model: str, provider: str, listed: str) -> None:
    sold = {(s.provider.id, s.model.id) for s in BOOKS.newest().sellers(model)}
    assert (provider, listed) in sold
