"""The JSON API: answers, refusals, and every way a body can be wrong, each with a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.web.body import MAX_JSON
from tests.bot.web.conftest import Pages, Serve

JSON = {"Content-Type": "application/json"}


async def post(pages: Pages, body: Any, tool: str = "kv", **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with pages.http.post(
        f"/api/tools/{tool}", data=data, headers={**JSON, **headers}
    ) as reply:
        assert reply.content_type == "application/json"
        return reply.status, await reply.json()


@pytest.mark.parametrize("names", [{"layers": 32, "input": 2048}, {"n_layers": 32, "isl": 2048}])
async def test_short_names_and_field_names_give_the_same_answer(
    pages: Pages, names: dict[str, int]
) -> None:
    status, answer = await post(pages, names)
    assert status == 200
    assert answer["result"]["kv_gib"] == 0.25
    assert answer["request"] == {"layers": 32, "input": 2048, "kv_dtype": "fp16", "model": ""}
    assert answer["text"].startswith("0.250 GiB for one sequence\nlayers: 32")
    assert answer["url"] == f"{pages.url}/r/{answer['id']}"
    assert "0.250 GiB" in await pages.page(f"/r/{answer['id']}")


async def test_a_refusal_names_the_option_what_is_allowed_and_an_example(pages: Pages) -> None:
    status, answer = await post(pages, {"layers": 0})
    assert status == 422
    error = answer["error"]
    assert set(error) == {"message", "field", "given", "nearest", "example", "fixes", "ref"}
    assert (error["field"], error["given"], error["example"]) == ("n_layers", "0", "32")
    assert error["message"] == "layers must be at least 1."
    assert len(error["ref"]) == 6


async def test_a_refusal_names_nearest_values_and_changes_that_would_work(pages: Pages) -> None:
    _, answer = await post(pages, {"layers": 1, "model": "unknown"})
    assert answer["error"]["nearest"] == ["llama"]
    assert answer["error"]["fixes"] == [
        {
            "label": "Use llama",
            "changes": {"model": "llama"},
            "detail": "",
            "optional": False,
            "in_place": False,
            "group": "",
        }
    ]


DEEP = b'{"layers":' + b"[" * 5000 + b"]" * 5000 + b"}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"{'layers': 1}", "not JSON"),
        (b'{"layers": NaN}', "not JSON"),
        (b'{"layers": 1} x', "not JSON"),
        (b'{"model": "\\ud800"}', "not JSON"),
        (DEEP, "nested too deeply"),
        (b'{"layers": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"input": 1e999}', "too large"),
        (b'{"input": ' + b"9" * 400 + b".5}", "too large"),
        (b"[1]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"layers"', "must be a JSON object"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_400_with_a_sentence(
    pages: Pages, body: bytes, words: str
) -> None:
    status, answer = await post(pages, body)
    assert status == 400
    assert words in answer["error"]["message"]
    assert answer["error"]["message"].endswith(".") or "such as" in answer["error"]["message"]


EXTREMES: list[Any] = [
    0, -1, 10**18, 10**4000, 1.5, "NaN", "", "x" * 6000, "🤖" * 3000, "\u202eevil", "@everyone",
    "**bold** `code`", "/etc/passwd", "../../etc/passwd", "\x00", None, True, [], {}, [[1]],
    {"a": {"b": 1}}, "${jndi:ldap://x}", "<script>alert(1)</script>",
]  # fmt: skip


@pytest.mark.parametrize("value", EXTREMES, ids=lambda v: repr(v)[:20])
@pytest.mark.parametrize("option", ["layers", "input", "kv_dtype", "model"])
async def test_every_option_at_its_extremes_is_an_answer_or_a_sentence(
    pages: Pages, option: str, value: Any
) -> None:
    status, answer = await post(pages, {"layers": 1, option: value})
    assert status in (200, 422)
    if status == 422:
        assert answer["error"]["message"].endswith(".")
        assert len(answer["error"]["given"]) <= 60


async def test_an_unknown_option_and_a_missing_one_are_refused(pages: Pages) -> None:
    assert (await post(pages, {"layers": 1, "<b>": 1}))[1]["error"]["message"].startswith(
        "There is no option <b>."
    )
    assert "layers is missing" in (await post(pages, {}))[1]["error"]["message"]


async def test_a_body_that_is_too_large_is_a_413(pages: Pages) -> None:
    status, answer = await post(pages, b'{"model": "' + b"x" * MAX_JSON + b'"}')
    assert status == 413
    assert "256 KiB" in answer["error"]["message"]


async def test_a_chunked_body_without_length_is_bounded_as_well(pages: Pages) -> None:
    async def endless() -> Any:
        for _ in range(MAX_JSON // 1024 + 64):
            yield b" " * 1024

    async with pages.http.post("/api/tools/kv", data=endless(), headers=JSON) as reply:
        assert reply.status == 413
        assert (await reply.json())["error"]["message"].endswith(".")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "image/png"])
async def test_another_content_type_is_a_415(pages: Pages, kind: str) -> None:
    status, answer = await post(pages, {"layers": 1}, **{"Content-Type": kind})
    assert status == 415
    assert "application/json" in answer["error"]["message"]


async def test_an_unknown_tool_says_which_there_are(pages: Pages) -> None:
    status, answer = await post(pages, {}, tool="nothing")
    assert status == 404
    assert "kv, echo" in answer["error"]["message"]


async def test_a_crash_is_a_500_with_a_reference_that_is_logged_and_no_traceback(
    pages: Pages, caplog: pytest.LogCaptureFixture
) -> None:
    status, answer = await post(pages, {"words": "crash"}, tool="echo")
    assert status == 500
    text = json.dumps(answer)
    assert "passwd" not in text and "Traceback" not in text
    assert answer["error"]["ref"] in caplog.text


async def test_a_visitor_over_the_limit_is_told_when_to_come_back(serve: Serve) -> None:
    pages = await serve(user_per_minute=2)
    for _ in range(2):
        assert (await post(pages, {"layers": 1}))[0] == 200
    async with pages.http.post("/api/tools/kv", json={"layers": 1}) as reply:
        assert reply.status == 429
        assert 1 <= int(reply.headers["Retry-After"]) <= 61
        assert "2 a minute" in (await reply.json())["error"]["message"]


async def test_forwarded_addresses_count_only_behind_a_proxy(serve: Serve) -> None:
    alone = await serve(user_per_minute=1)
    assert (await post(alone, {"layers": 1}, **{"X-Forwarded-For": "8.8.8.8"}))[0] == 200
    assert (await post(alone, {"layers": 1}, **{"X-Forwarded-For": "8.8.4.4"}))[0] == 429


async def test_behind_a_proxy_each_visitor_counts_alone_and_cannot_pretend(serve: Serve) -> None:
    proxied = await serve(user_per_minute=1, public_url="https://bot.example.org")
    first = {"X-Forwarded-For": "8.8.8.8"}
    assert (await post(proxied, {"layers": 1}, **first))[0] == 200
    assert (await post(proxied, {"layers": 1}, **{"X-Forwarded-For": "8.8.4.4"}))[0] == 200
    pretended = {"X-Forwarded-For": "1.2.3.4, 8.8.8.8"}
    assert (await post(proxied, {"layers": 1}, **pretended))[0] == 429


async def test_the_list_of_tools_carries_their_schemas(pages: Pages) -> None:
    tools = json.loads(await pages.page("/api/tools"))["tools"]
    assert [tool["name"] for tool in tools] == ["kv", "echo"]
    assert "layers" in tools[0]["request"]["properties"]
    assert "kv_gib" in tools[0]["result"]["properties"]


async def test_suggestions_come_from_the_option_or_its_choices(pages: Pages) -> None:
    async def ask(**query: str) -> list[dict[str, str]]:
        found = json.loads(await pages.page("/api/suggest", params=query))
        choices: list[dict[str, str]] = found["choices"]
        return choices

    assert await ask(command="kv", option="model", text="<b>") == [
        {"label": "Model <b>", "value": "<b>"}
    ]
    assert await ask(command="kv", option="kv_dtype", text="8") == [
        {"label": "fp8", "value": "fp8"}
    ]
    assert await ask(command="kv", option="layers", text="3") == []
    assert len((await ask(command="kv", option="model", text="x" * 6000))[0]["value"]) == 200


@pytest.mark.parametrize("query", [{}, {"command": "kv"}, {"command": "no", "option": "gpu"}])
async def test_suggestions_for_what_is_not_there_are_a_404(
    pages: Pages, query: dict[str, str]
) -> None:
    async with pages.http.get("/api/suggest", params=query) as reply:
        assert reply.status == 404


async def test_a_wrong_method_says_so_and_which_are_right(pages: Pages) -> None:
    async with pages.http.put("/api/tools/kv", json={}) as reply:
        assert reply.status == 405
        assert "POST" in reply.headers["Allow"]
        assert "PUT" in (await reply.json())["error"]["message"]


async def test_health_is_served(pages: Pages) -> None:
    assert json.loads(await pages.page("/healthz")) == {"status": "ok"}
