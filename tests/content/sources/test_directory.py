from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from content.sources import directory, read
from content.sources.directory import MAX_FILE, Refusal, read_head
from content.sources.layout import articles_among
from content.sources.read import Cache, read_directory, scan_directory
from content.sources.source import directory_of, kind_of

SITE = "https://mlsystems.dev"


def put(folder: Path, name: str, head: str = "", body: str = "text") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"---\ntitle: {Path(name).stem}\n{head}\n---\n{body}\n", encoding="utf-8")
    return file


def old(*files: Path) -> None:
    """As if they had been written long ago."""
    for file in files:
        os.utime(file, (1_700_000_000, 1_700_000_000))


def slugs(folder: Path) -> list[str]:
    return [article.slug for article in read_directory(folder, SITE)[0]]


@pytest.mark.parametrize("posts", ["", "src/content/posts", "content/posts", "_posts", "blog"])
def test_both_layouts_are_read_from_the_root_of_a_site_or_its_folder(
    tmp_path: Path, posts: str
) -> None:
    put(tmp_path, f"{posts}/moe/index.mdx".lstrip("/"))
    put(tmp_path, f"{posts}/fp8.md".lstrip("/"))
    put(tmp_path, f"{posts}/2026-11-12-rag.mdx".lstrip("/"))
    if posts:
        put(tmp_path, "docs/manual.md")
        assert sorted(slugs(tmp_path / posts)) == ["fp8", "moe", "rag"]
    articles, problems = read_directory(tmp_path, SITE)
    assert sorted(a.slug for a in articles) == ["fp8", "moe", "rag"] and not problems
    assert {a.where for a in articles} == {
        f"{posts}/{name}".lstrip("/") for name in ("moe/index.mdx", "fp8.md", "2026-11-12-rag.mdx")
    }


def test_what_is_no_article_is_left_alone() -> None:
    paths = [
        "README.md", "index.md", "_index.md", "a.md", "a.txt", ".hidden.md", ".git/x.md",
        "node_modules/p/readme.md", "node_modules/p/x.md", "_drafts/x.md", "moe/index.mdx",
        "moe/part.md", "moe/deep/part.mdx", "moe/deep/index.md", "2026/b.MD", "_partial.mdx",
        "2026/moe.markdown",
    ]  # fmt: skip
    assert articles_among(paths) == ["2026/b.MD", "2026/moe.markdown", "a.md", "moe/index.mdx"]


def test_a_broken_file_is_named_with_its_line_and_stops_no_other(tmp_path: Path) -> None:
    put(tmp_path, "good.md")
    put(tmp_path, "bad.md", "date: tomorrow")
    (tmp_path / "worse.md").write_bytes(b"---\nx: \xff\n---\n")
    (tmp_path / "none.md").write_text("# No front matter\n")
    articles, problems = read_directory(tmp_path, SITE)
    assert [a.slug for a in articles] == ["good"]
    assert [str(problem) for problem in problems] == [
        "bad.md:3: date: 'tomorrow' is no date such as 2026-11-12.",
        "none.md:1: The file has no front matter: it must begin with ---, +++ or {.",
        "worse.md:2: The file is not UTF-8 text.",
    ]


def test_a_file_that_breaks_keeps_what_it_said_last(tmp_path: Path) -> None:
    file, cache = put(tmp_path, "a.md", "summary: first"), Cache()
    assert scan_directory(tmp_path, "s", SITE, cache).broken == frozenset()
    file.write_text("---\ntitle: [\n---\n")
    scan = scan_directory(tmp_path, "s", SITE, cache)
    assert [entry.article.summary for entry in scan.entries] == ["first"]
    assert scan.broken == {"a.md"} and len(scan.problems) == 1
    file.unlink()
    assert scan_directory(tmp_path, "s", SITE, cache).entries == ()


@pytest.mark.parametrize("when", ["listed", "asked"])
def test_a_file_that_vanishes_during_a_look_is_neither_reported_nor_gone_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    cache = Cache()
    put(tmp_path, "moe.md")
    file = put(tmp_path, "fp8.md")
    scan_directory(tmp_path, "here", SITE, cache)
    put(tmp_path, "fp8.md", "summary: anew")
    name, module = ("list_articles", read) if when == "listed" else ("_seen", directory)
    ask = getattr(module, name)

    def vanishing(*given: object) -> object:
        if when == "asked":
            file.unlink(missing_ok=True)
        answer = ask(*given)
        file.unlink(missing_ok=True)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(module, name, vanishing)
        scan = scan_directory(tmp_path, "here", SITE, cache)
    assert [entry.article.where for entry in scan.entries] == ["fp8.md", "moe.md"]
    assert scan.broken == {"fp8.md"} and scan.problems == ()
    gone = scan_directory(tmp_path, "here", SITE, cache)
    assert [entry.article.where for entry in gone.entries] == ["moe.md"] and not gone.broken


def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = put(tmp_path, "one.md"), put(tmp_path, "two.md")
    old(one, two)
    opened: list[str] = []

    def counted(path: str) -> bytes:
        opened.append(Path(path).name)
        return read_head(path)

    monkeypatch.setattr(read, "read_head", counted)
    cache = Cache()
    first = scan_directory(tmp_path, "s", SITE, cache)
    assert scan_directory(tmp_path, "s", SITE, cache).entries == first.entries
    assert opened == ["one.md", "two.md"]
    put(tmp_path, "two.md", "summary: changed")
    changed = scan_directory(tmp_path, "s", SITE, cache)
    assert opened[2:] == ["two.md"] and changed.entries[1].article.summary == "changed"


@pytest.mark.parametrize("reading_s", [0, 60])
def test_a_file_written_a_moment_ago_is_not_taken_for_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading_s: int
) -> None:
    """Also where the look at all files takes longer than that moment."""
    cache = Cache()
    file = put(tmp_path, "a.md", "summary: old")
    stamp = file.stat()
    now = [stamp.st_mtime_ns]

    def slowly(path: str) -> bytes:
        now[0] += reading_s * 10**9
        return read_head(path)

    monkeypatch.setattr(read, "read_head", slowly)
    monkeypatch.setattr(read, "time", SimpleNamespace(time_ns=lambda: now[0]))
    scan_directory(tmp_path, "s", SITE, cache)
    file.write_text(file.read_text().replace("old", "new"))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as coarse clocks do
    scan = scan_directory(tmp_path, "s", SITE, cache)
    assert scan.entries[0].article.summary == "new"


def test_links_out_of_the_tree_are_refused_and_those_within_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "secret.md")
    inside = tmp_path / "posts"
    put(inside, ".data/a.md")
    (inside / "a.md").symlink_to(inside / ".data" / "a.md")
    (inside / "out.md").symlink_to(outside)
    (inside / "nowhere.md").symlink_to(inside / "gone")
    (inside / "loop.md").symlink_to(inside / "loop.md")
    (inside / "folder").symlink_to(outside.parent)
    articles, problems = read_directory(inside, SITE)
    assert [article.slug for article in articles] == ["a"]
    assert sorted((p.where, "out of the directory" in p.sentence) for p in problems) == [
        ("loop.md", False), ("nowhere.md", False), ("out.md", True),
    ]  # fmt: skip


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path / "real", "a.md")
    (tmp_path / "current").symlink_to(tmp_path / "real")
    assert slugs(tmp_path / "current") == ["a"]


def test_a_pipe_is_not_waited_for_and_a_huge_file_not_read(tmp_path: Path) -> None:
    put(tmp_path, "a.md")
    os.mkfifo(tmp_path / "pipe.md")
    with (tmp_path / "huge.md").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    articles, problems = read_directory(tmp_path, SITE)
    assert [a.slug for a in articles] == ["a"]
    assert [p.where for p in problems] == ["huge.md", "pipe.md"]


def test_a_file_swapped_for_a_pipe_is_not_waited_for_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    assert read_head(str(tmp_path / "pipe.md")) == b""


def test_a_long_article_is_read_as_far_as_its_head(tmp_path: Path) -> None:
    put(tmp_path, "a.md", body="\u00fc" * 200_000)
    assert slugs(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_directory_that_is_none_is_one_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    articles, problems = read_directory(tmp_path / name, SITE)
    assert articles == [] and len(problems) == 1
    with pytest.raises(Refusal):
        scan_directory(tmp_path / name, "s", SITE, Cache())


def test_our_own_articles_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    articles, problems = read_directory(directory_of("content/articles"), SITE)
    assert problems == [] and [a.slug for a in articles] == [
        "arithmetic-of-attention", "continuous-batching-revisited", "moe-routing",
    ]  # fmt: skip
    assert [a.date is None for a in articles] == [False, True, True], "no date is invented"
    (tmp_path / "content" / "articles").mkdir(parents=True)
    assert directory_of("content/articles") == Path("content/articles"), "the operator's own"


def test_the_kind_of_a_source_is_in_its_form() -> None:
    assert kind_of("https://x.org/feed.xml") == "feed"
    assert kind_of("github:o/r@main:posts") == "repository"
    assert kind_of("/srv/site") == "directory"


def test_a_name_that_cannot_be_shown_is_reported_and_stops_no_other(tmp_path: Path) -> None:
    put(tmp_path, "good.md")
    put(tmp_path, "two\nlines.md")
    put(tmp_path, "rev\u202eersed.md")
    (tmp_path / os.fsdecode(b"latin\xe9.md")).write_text("---\ntitle: x\n---\n")
    articles, problems = read_directory(tmp_path, SITE)
    assert [article.slug for article in articles] == ["good"]
    assert [p.where for p in problems] == [
        "latin\ufffd.md",
        "rev\ufffdersed.md",
        "two\ufffdlines.md",
    ]
    assert all(str(problem).encode() and "\n" not in str(problem) for problem in problems)
