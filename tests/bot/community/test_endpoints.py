"""Keys of endpoints: encrypted, bound to where they belong, read only with the secret."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.community.endpoints import MAX_ENDPOINTS, checked_origin
from bot.community.service import CommunityBook
from bot.store import Store
from compute.tool import Refused
from tests.bot.community.conftest import FOREIGN, HOME, MOD, SECOND, SECRET

ORIGIN = "https://llm.example.org"
KEY = "sk-very-secret-1234567890"


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_a_key_comes_back_only_with_the_same_secret(
    book: CommunityBook, store: Store, tmp_path: Path
) -> None:
    await book.endpoints.put(HOME, "vllm", ORIGIN, KEY, MOD)
    again = await CommunityBook.open(store, (1, 2), SECRET)
    assert again.endpoints.known(HOME) == {"vllm": ORIGIN} and again.endpoints.known(SECOND) == {}
    assert await again.endpoints.key_for(HOME, "vllm") == (ORIGIN, KEY)
    assert await again.endpoints.key_for(SECOND, "vllm") is None
    for secret in ("", "another"):
        other = await CommunityBook.open(store, (1, 2), secret)
        assert await other.endpoints.key_for(HOME, "vllm") is None
    written = all_bytes(tmp_path)
    assert KEY.encode() not in written and SECRET.encode() not in written


@pytest.mark.parametrize(
    "column", ["origin = 'https://evil.example'", "guild_id = '2'", "name = 'x'"]
)
async def test_a_row_that_is_moved_elsewhere_gives_no_key(
    book: CommunityBook, store: Store, column: str
) -> None:
    await book.endpoints.put(HOME, "vllm", ORIGIN, KEY, MOD)
    await store.write(lambda db: db.conn.execute(f"UPDATE community_endpoints SET {column}"))
    for guild in (HOME, SECOND):
        for name in ("vllm", "x"):
            assert await book.endpoints.key_for(guild, name) is None


async def test_setting_changing_and_removing_are_in_the_log(book: CommunityBook) -> None:
    await book.endpoints.put(HOME, "vllm", ORIGIN, KEY, MOD)
    await book.endpoints.put(HOME, "vllm", ORIGIN, KEY + "2", MOD)
    assert await book.endpoints.key_for(HOME, "vllm") == (ORIGIN, KEY + "2")
    assert await book.endpoints.remove(HOME, "vllm", MOD)
    assert not await book.endpoints.remove(HOME, "vllm", MOD)
    assert await book.endpoints.key_for(HOME, "vllm") is None
    words = [line.words for line in await book.history(HOME)]
    assert words == [
        "removed endpoint vllm", f"changed endpoint vllm: {ORIGIN}", f"set endpoint vllm: {ORIGIN}",
    ]  # fmt: skip
    assert book.revision() == 3


@pytest.mark.parametrize(
    ("name", "origin", "key"),
    [
        ("Vllm", ORIGIN, KEY),
        ("", ORIGIN, KEY),
        ("a" * 33, ORIGIN, KEY),
        ("a", ORIGIN, ""),
        ("a", ORIGIN, "two words"),
        ("a", ORIGIN, "line\nend"),
        ("a", ORIGIN, "k" * 1001),
        ("a", "http://llm.example.org", KEY),
        ("a", ORIGIN + "/v1", KEY),
    ],
)
async def test_what_cannot_be_kept_is_refused_without_the_key(
    book: CommunityBook, name: str, origin: str, key: str
) -> None:
    with pytest.raises(Refused) as refused:
        await book.endpoints.put(HOME, name, origin, key, MOD)
    assert KEY not in refused.value.message and book.endpoints.known(HOME) == {}


@pytest.mark.parametrize(
    "origin",
    [
        "https://user:pw@llm.example.org", "https://llm.example.org?x=1", "https://", "ftp://x",
        "https://llm.example.org:0", "https://llm.example.org:99999", "https://[::1", "https://a b",
        "javascript:alert(1)", "https://bücher.example", "https://llm.example.org#x", "",
    ],
)  # fmt: skip
def test_only_an_origin_is_an_origin(origin: str) -> None:
    with pytest.raises(Refused, match="An origin is https"):
        checked_origin(origin)


def test_an_origin_is_kept_in_one_form() -> None:
    assert checked_origin("https://LLM.example.org:443/") == "https://llm.example.org"
    assert checked_origin("https://llm.example.org:8443") == "https://llm.example.org:8443"


async def test_endpoints_that_are_set_at_once_are_no_more_than_there_may_be(
    book: CommunityBook,
) -> None:
    for n in range(MAX_ENDPOINTS - 1):
        await book.endpoints.put(HOME, f"e{n}", ORIGIN, KEY, MOD)
    puts = [book.endpoints.put(HOME, name, ORIGIN, KEY, MOD) for name in ("a", "b", "c")]
    ends = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(end) for end in ends] == [type(None), Refused, Refused]
    assert len(book.endpoints.known(HOME)) == MAX_ENDPOINTS
    removed = await asyncio.gather(*(book.endpoints.remove(HOME, "a", MOD) for _ in range(2)))
    assert removed == [True, False]  # one line in the log of changes, not two


async def test_strangers_and_too_many_are_refused(book: CommunityBook) -> None:
    with pytest.raises(Refused, match="community's own servers"):
        await book.endpoints.put(FOREIGN, "a", ORIGIN, KEY, MOD)
    for number in range(MAX_ENDPOINTS):
        await book.endpoints.put(HOME, f"e{number}", ORIGIN, KEY, MOD)
    with pytest.raises(Refused, match="at most 25"):
        await book.endpoints.put(HOME, "one-more", ORIGIN, KEY, MOD)
    await book.endpoints.put(HOME, "e0", ORIGIN, KEY, MOD)  # an old one may still be changed
