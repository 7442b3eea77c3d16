"""A model hub on loopback: known, slow, missing and broken models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "num_hidden_layers": 16,
    "vocab_size": 128256,
    "torch_dtype": "bfloat16",
    "max_position_embeddings": 131072,
    "tie_word_embeddings": True,
}
SLOW_S = 1.2
MODELS = (*(f"quick/m{n}" for n in range(20)), *(f"slow/m{n}" for n in range(20)))
BAD_MODELS = ("none/m", "broken/m", "down/m")


async def _config(request: web.Request) -> web.Response:
    match request.match_info["owner"]:
        case "none":
            return web.Response(status=404)
        case "broken":
            return web.Response(text="{")
        case "down":
            return web.Response(status=503)
        case "slow":
            await asyncio.sleep(SLOW_S)
    return web.json_response(CONFIG)


@asynccontextmanager
async def hub() -> AsyncIterator[str]:
    """Its address, for HF_ENDPOINT."""
    app = web.Application()
    app.router.add_get("/{owner}/{name}/resolve/main/config.json", _config)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
