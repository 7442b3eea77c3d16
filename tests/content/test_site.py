"""The home page's words arrive whole, and a broken file is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from content.errors import CatalogueError
from content.site import SITE_FILE, load_site


def write(folder: Path, change: dict[str, Any]) -> Path:
    path = folder / "site.json"
    path.write_text(json.dumps({**json.loads(SITE_FILE.read_text("utf-8")), **change}), "utf-8")
    return path


def test_ten_topics_in_order_and_six_tools_with_their_source() -> None:
    site = load_site()
    assert site.title == "Machine learning, from kernels to clusters."
    assert [topic.order for topic in site.topics] == list(range(1, 11))
    assert [tool.id for tool in site.tools] == [
        "throughput", "attention", "cost", "modelcard", "eval", "bench",
    ]  # fmt: skip
    assert "2026-11" in site.source


def test_an_older_topic_id_still_finds_its_topic() -> None:
    site = load_site()
    topic = site.topic("multimodal")
    assert topic is not None and topic.id == "models"
    assert site.topic("cooking") is None


def test_topics_are_sorted_by_their_order(tmp_path: Path) -> None:
    topics = [
        {"id": "b", "order": 2, "name": "B", "desc": "b"},
        {"id": "a", "order": 1, "name": "A", "desc": "a"},
    ]
    assert [t.id for t in load_site(write(tmp_path, {"topics": topics})).topics] == ["a", "b"]


def test_a_wrong_entry_is_named_by_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, {"tools": [{"id": "x", "name": "X", "desc": "x"}, {"id": "NO WAY"}]})
    with pytest.raises(CatalogueError) as caught:
        load_site(path)
    assert (caught.value.file, caught.value.row, caught.value.column) == (
        "site.json", 2, "tools.1.id",
    )  # fmt: skip


def test_an_id_given_twice_is_refused(tmp_path: Path) -> None:
    tool = {"id": "x", "name": "X", "desc": "x"}
    with pytest.raises(CatalogueError, match="each id once"):
        load_site(write(tmp_path, {"tools": [tool, tool]}))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_not_the_right_json_is_refused_with_the_file_named(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "site.json"
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=r"site\.json"):
        load_site(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"nowhere\.json"):
        load_site(tmp_path / "nowhere.json")
