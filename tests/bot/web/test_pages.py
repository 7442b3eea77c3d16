"""The command bar, with and without JavaScript: the answer of every door, and nothing lost."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from urllib.parse import quote, unquote

import pytest

from tests.bot.web.conftest import Pages, Serve

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</textarea></title></article><svg onload=alert(1)>",
    "\u202egnirts lautriv\u2066",
    "🤖" * 1500,
    "x" * 6000,
    "&lt;b&gt; &amp; %3Cscript%3E",
    "@everyone **bold** `code` ||spoiler||",
]


class _Tags(HTMLParser):
    """Reads a page as a browser would and remembers what became markup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(" ".join([tag, *sorted(name for name, _ in attrs)]))


def tags(page: str) -> set[str]:
    """Every tag with its attributes' names: hostile words must add none."""
    reader = _Tags()
    reader.feed(page)
    return reader.found


async def test_home_shows_title_topics_and_the_tools_that_exist_as_links(pages: Pages) -> None:
    text = await pages.page("/")
    assert "<h1>Machine learning, from kernels to clusters.</h1>" in text
    assert text.count("<li><h3>") == 10
    assert text.count('class="card coming"') == 6
    assert '<a href="/tools/kv">KV cache</a>' in text
    assert 'href="/tools/attention"' not in text
    for path in set(re.findall(r'(?:href|src|action)="(/[^"#]*)', text)):
        async with pages.http.get(html.unescape(path)) as reply:
            assert reply.status == 200, path


async def test_change_inputs_leads_back_to_the_line_in_the_bar(pages: Pages) -> None:
    line = '/kv layers:2 model:"a" & <b>'
    text = await pages.page("/?line=" + quote(line))
    assert f'value="{html.escape(line).replace("&quot;", "&#34;")}"' in text
    answer = await pages.run("/kv layers:2 model:a b")
    change = re.search(r'href="/\?line=([^"]*)" data-action="change"', answer["html"])
    assert change is not None and unquote(change[1]) == "/kv layers:2 model:a b"


async def test_the_bar_answers_with_the_blocks_and_buttons_of_every_door(pages: Pages) -> None:
    answer = await pages.run("/kv layers:32 input:2048")
    assert not answer["refused"]
    order = ["<strong>0.250 GiB</strong>", "<dl", "8 KV heads", "<img", "Use fp8", "Change inputs",
             "Assumptions", ">Share<", ">Page<"]  # fmt: skip
    places = [answer["html"].index(part) for part in order]
    assert places == sorted(places)
    assert 'alt="KV cache. 0.250 GiB"' in answer["html"]


async def test_without_javascript_the_form_answers_with_the_whole_page(pages: Pages) -> None:
    async with pages.http.post("/", data={"line": "/kv layers:32 input:2048"}) as reply:
        text = await reply.text()
    assert reply.status == 200 and reply.content_type == "text/html"
    assert "<strong>0.250 GiB</strong>" in text
    assert 'value="/kv layers:32 input:2048"' in text


async def test_pressing_a_repair_runs_the_changed_inputs(pages: Pages) -> None:
    answer = await pages.run("/kv layers:32 input:2048")
    action = re.search(r'action="(/r/[^"]+/fix/0)"', answer["html"])
    assert action is not None
    async with pages.http.post(action[1], data={"x": "y"}) as reply:
        text = await reply.text()
    assert "<strong>0.125 GiB</strong>" in text
    assert 'value="/kv layers:32 input:2048 kv_dtype:fp8"' in text


async def test_after_a_refusal_the_line_stays_and_the_nearest_is_one_press_away(
    pages: Pages,
) -> None:
    line = "/kv layers:1 model:unknown"
    answer = await pages.run(line)
    assert answer["refused"] and answer["line"] == line
    assert "Use llama" in answer["html"] and "ref " in answer["html"]
    accept = {"Accept": "application/json"}
    async with pages.http.post(f"/r/{answer['id']}/fix/0", headers=accept) as reply:
        fixed = await reply.json()
    assert fixed["line"] == "/kv layers:1 model:llama" and not fixed["refused"]


@pytest.mark.parametrize("place", ["1", "999"])
async def test_a_repair_that_is_not_offered_is_a_404(pages: Pages, place: str) -> None:
    answer = await pages.run("/kv layers:32")
    async with pages.http.post(f"/r/{answer['id']}/fix/{place}") as reply:
        assert reply.status == 404


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "Type a command first"),
        ("/", "Type a command first"),
        ("/kvv layers:1", "know that command"),
        ("/kv 32 layers:1", "words before the options"),
        ("/kv layers:1 layers:2", "given twice"),
        ("/kv " + "x" * 9000, "longer than 8,000"),
    ],
)
async def test_a_line_that_is_no_command_keeps_every_letter(
    pages: Pages, line: str, words: str
) -> None:
    answer = await pages.run(line)
    assert answer["refused"] and answer["line"] == line
    assert words in answer["html"] and "ref " in answer["html"]


async def test_an_unknown_command_offers_the_nearest_with_the_same_options(pages: Pages) -> None:
    answer = await pages.run("/kvv layers:1 model:<b>")
    assert 'name="line" value="/kv layers:1 model:&lt;b&gt;"' in answer["html"]


async def test_a_form_holds_every_option_and_answers_with_what_was_typed(pages: Pages) -> None:
    text = await pages.page("/tools/kv?layers=7")
    assert 'name="layers" value="7"' in text and '<option value="fp8">' in text
    fields = {"layers": "32", "input": " 2048 ", "kv_dtype": "fp8", "model": "", "evil": "1"}
    async with pages.http.post("/tools/kv", data=fields) as reply:
        text = await reply.text()
    assert "<strong>0.125 GiB</strong>" in text and '<option value="fp8" selected>' in text
    async with pages.http.get("/tools/attention") as reply:
        assert reply.status == 404


@pytest.mark.parametrize("words", HOSTILE, ids=lambda w: w[:16])
async def test_what_strangers_type_never_becomes_markup(pages: Pages, words: str) -> None:
    plain = await pages.run("/echo words:hello url:https://example.org/x")
    answer = await pages.run(f"/echo words:{words} url:javascript:alert(1)")
    allowed = tags(plain["html"])
    assert tags(answer["html"]) <= allowed
    assert 'href="javascript' not in answer["html"]
    for page, calm in (
        (f"/r/{answer['id']}", f"/r/{plain['id']}"),
        ("/?line=" + quote(words), "/?line=hello"),
        ("/tools/echo?words=" + quote(words), "/tools/echo?words=hello"),
    ):
        assert tags(await pages.page(page)) <= tags(await pages.page(calm))


@pytest.mark.parametrize("words", HOSTILE, ids=lambda w: w[:16])
async def test_what_strangers_type_into_a_refusal_never_becomes_markup(
    pages: Pages, words: str
) -> None:
    plain = await pages.run("/echo words:refuse me")
    answer = await pages.run(f"/echo words:refuse {words}"[:7900])
    assert answer["refused"]
    assert tags(answer["html"]) <= tags(plain["html"])
    async with pages.http.post("/", data={"line": words}) as reply:
        assert reply.status == 200
        assert "<script>alert" not in await reply.text()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"line=\xff\xfe%ff", "application/x-www-form-urlencoded", 200),
        (b"&".join(b"a%d=1" % n for n in range(500)), "application/x-www-form-urlencoded", 400),
        (b"line=" + b"x" * 140_000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 415),
        (b"line=/kv", "text/plain", 415),
    ],
)
async def test_a_form_that_cannot_be_read_is_a_sentence(
    pages: Pages, body: bytes, kind: str, status: int
) -> None:
    async with pages.http.post("/", data=body, headers={"Content-Type": kind}) as reply:
        assert reply.status == status
        assert "Traceback" not in await reply.text()


async def test_too_many_lines_a_minute_are_told_to_wait(serve: Serve) -> None:
    pages = await serve(user_per_minute=1)
    await pages.run("/kv layers:1")
    async with pages.http.post("/", data={"line": "/kv layers:1"}) as reply:
        assert reply.status == 429 and int(reply.headers["Retry-After"]) > 0
        assert "1 a minute" in await reply.text()


async def test_the_commands_for_completion_tell_what_each_option_takes(pages: Pages) -> None:
    commands = json.loads(await pages.page("/api/commands"))["commands"]
    options = {option["name"]: option for option in commands[0]["options"]}
    assert options["layers"]["required"] and options["layers"]["field"] == "n_layers"
    assert options["kv_dtype"]["choices"] == ["fp16", "fp8"]
    assert options["model"]["suggests"]
