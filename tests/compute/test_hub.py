"""The hub: only clean ids are asked for, only a sane JSON object is taken, errors are sentences."""

from __future__ import annotations

import json

import pytest

from compute.hub import CONFIG_BYTES, is_model_id, model_config
from compute.tool import Refused
from tests.compute.throughput.known import PlainContext

URL = "http://hub.test/org/name/resolve/main/config.json"


async def test_a_public_config_is_fetched_within_a_limit() -> None:
    ctx = PlainContext({URL: b'{"hidden_size": 8}'})
    assert await model_config("org/name", ctx) == {"hidden_size": 8}
    assert ctx.asked == [(URL, CONFIG_BYTES)]


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "org/name/more",
        "../../etc/passwd",
        "org/..",
        "org/na..me",
        "org/name?x=1",
        "org/na me",
        "http://evil/x",
        "org/name#frag",
        "org/%2e%2e",
        "o" * 97 + "/name",
        "org/" + "n" * 97,
        "org/-name",
        "org\\name",
        "órg/name",
        "org/name\n",
    ],
)
async def test_what_is_no_model_id_is_never_asked_for(text: str) -> None:
    ctx = PlainContext()
    assert not is_model_id(text)
    with pytest.raises(Refused) as raised:
        await model_config(text, ctx)
    assert ctx.asked == []
    assert raised.value.refusal.field == "model"


@pytest.mark.parametrize(
    "text", ["meta-llama/Llama-3.1-8B", "a/b", "Qwen/Qwen3-0.6B", "01-ai/Yi_1"]
)
def test_usual_ids_are_ids(text: str) -> None:
    assert is_model_id(text)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "private, gated"),
        (404, "private, gated"),
        (429, "try again in a minute"),
        (503, "status 503"),
        (0, "can't ask the hub"),
    ],
)
async def test_each_failure_says_what_to_do(status: int, words: str) -> None:
    with pytest.raises(Refused, match=words) as raised:
        await model_config("org/name", PlainContext({URL: status}), nearest=("a/b",))
    assert raised.value.refusal.nearest == ("a/b",)
    assert raised.value.refusal.given == "org/name"


DEEP = json.dumps({"a": json.loads("[" * 40 + "]" * 40)}).encode()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"3", b"\xff\xfe", b"[" * 100_000, DEEP, b'{"a": ']
)
async def test_what_is_no_config_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match=r"config\.json"):
        await model_config("org/name", PlainContext({URL: body}))
