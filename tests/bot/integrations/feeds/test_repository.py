from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.integrations.feeds import readers
from bot.integrations.feeds.service import Sources
from bot.integrations.feeds.tree import RepoPlace, parse_place
from bot.store import Store
from config.settings import Settings, load_settings
from content.library import Library

SOURCE = "github:mlsystems/site@main:src/content/posts"
POST = "src/content/posts/{}/index.mdx"


@dataclass(frozen=True)
class Seen:
    """What a tree looks like."""

    etag: str
    unchanged: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Repository:
    """A repository in memory: path -> text, its SHA being "sha of <text>"."""

    texts: dict[str, str] = field(default_factory=dict)
    trees: list[tuple[str, ...]] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    down: bool = False

    def put(self, slug: str, head: str = "") -> None:
        self.texts[POST.format(slug)] = f"---\ntitle: {slug}\n{head}\n---\n"

    async def tree(self, repo: str, branch: str, path: str, etag: str) -> Seen:
        """The whole tree, or nothing new."""
        self.trees.append((repo, branch, path, etag))
        if self.down:
            raise RuntimeError("GitHub answered 502.")
        now = str(hash(tuple(sorted(self.texts.items()))))
        if etag == now:
            return Seen(etag, unchanged=True)
        return Seen(now, files={path: f"sha of {text}" for path, text in self.texts.items()})

    async def blob(self, repo: str, sha: str) -> bytes:
        """A file's text."""
        self.blobs.append(sha)
        text = sha.removeprefix("sha of ")
        if any(f"title: {slug}\n" in text for slug in self.lost):
            raise RuntimeError("GitHub answered 404.")
        return text.encode()


def settings(source: str = SOURCE) -> Settings:
    return load_settings(articles=source)


async def test_a_repository_is_read_and_then_only_what_changed(store: Store) -> None:
    repository = Repository({"README.md": "x", "src/content/other.md": "x"})
    repository.put("moe")
    repository.put("fp8")
    sources = Sources(settings(), store, Library(), repository)
    polled = await sources.poll()
    assert [a.title for a in polled.articles] == ["fp8", "moe"] and not polled.problems
    assert polled.articles[0].where == POST.format("fp8")
    assert polled.articles[0].url == "https://mlsystems.dev/blog/fp8"
    assert repository.trees[0] == ("mlsystems/site", "main", "src/content/posts", "")
    assert (await sources.poll()).articles == polled.articles and len(repository.blobs) == 2
    repository.put("moe", "summary: changed")
    assert (await sources.poll()).articles[1].summary == "changed"
    assert len(repository.blobs) == 3


async def test_the_root_of_a_site_leads_to_its_posts(store: Store) -> None:
    repository = Repository({"docs/manual.md": "---\ntitle: no\n---\n"})
    repository.put("moe")
    sources = Sources(settings("github:mlsystems/site"), store, Library(), repository)
    assert [a.title for a in (await sources.poll()).articles] == ["moe"]
    assert repository.trees[0] == ("mlsystems/site", "", "", "")


async def test_a_restart_fetches_nothing_again(store: Store) -> None:
    repository = Repository()
    repository.put("moe")
    first = await Sources(settings(), store, Library(), repository).poll()
    again = await Sources(settings(), store, Library(), repository).poll()
    assert again.articles == first.articles and len(repository.blobs) == 1


async def test_a_file_that_cannot_be_had_stops_no_other_and_is_tried_again(store: Store) -> None:
    repository = Repository()
    repository.put("a")
    repository.put("b")
    sources = Sources(settings(), store, Library(), repository)
    repository.lost = {"a"}
    polled = await sources.poll()
    assert [a.title for a in polled.articles] == ["b"]
    assert polled.broken == {(SOURCE, POST.format("a"))}
    assert polled.problems[0].sentence == "GitHub answered 404."
    repository.lost.clear()
    polled = await sources.poll()
    assert [a.title for a in polled.articles] == ["a", "b"] and not polled.problems


async def test_a_broken_file_keeps_what_it_said_last(store: Store) -> None:
    repository = Repository()
    repository.put("moe", "summary: good")
    sources = Sources(settings(), store, Library(), repository)
    await sources.poll()
    repository.put("moe", "date: never")
    polled = await sources.poll()
    assert [a.summary for a in polled.articles] == ["good"]
    assert polled.problems[0].line == 3 and polled.broken == {(SOURCE, POST.format("moe"))}
    repository.texts.clear()
    assert (await sources.poll()).articles == (), "a file that is gone is withdrawn"


async def test_github_being_down_withdraws_nothing(store: Store) -> None:
    repository = Repository()
    repository.put("moe")
    sources = Sources(settings(), store, Library(), repository)
    first = await sources.poll()
    repository.down = True
    polled = await sources.poll()
    assert polled.articles == first.articles and polled.failed == {SOURCE}
    assert polled.problems[0].sentence == "GitHub answered 502."


async def test_a_big_repository_comes_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MAX_BLOBS", 2)
    repository = Repository()
    for number in range(5):
        repository.put(f"a{number}")
    sources = Sources(settings(), store, Library(), repository)
    assert [len((await sources.poll()).articles) for _ in range(4)] == [2, 4, 5, 5]
    assert len(repository.blobs) == 5


async def test_without_github_the_sentence_says_what_to_set(store: Store) -> None:
    polled = await Sources(settings(), store, Library()).poll()
    assert polled.failed == {SOURCE} and "GITHUB_TOKEN" in polled.problems[0].sentence


@pytest.mark.parametrize(
    ("source", "place"),
    [("github:o/r", ("o/r", "", "")), ("github:o/r@main", ("o/r", "main", "")),
     ("github:o/r:posts/", ("o/r", "", "posts")),
     ("github:o/r.x@feat/a:src/posts", ("o/r.x", "feat/a", "src/posts"))],
)  # fmt: skip
def test_a_repository_path_may_leave_out_branch_and_path(
    source: str, place: tuple[Any, ...]
) -> None:
    assert parse_place(source) == RepoPlace(*place)


@pytest.mark.parametrize(
    "source",
    ["github:", "github:owner", "github:o/r@", "github:o/r@main:../x", "github:o/r@a..b",
     "github:o/r@main:a:b", "github:o/r/more", "github:https://github.com/o/r"],
)  # fmt: skip
async def test_what_is_no_repository_path_says_how_to_write_one(store: Store, source: str) -> None:
    with pytest.raises(ValueError, match="write github:owner/repo@branch:path"):
        parse_place(source)
    polled = await Sources(settings(source), store, Library(), Repository()).poll()
    assert polled.failed == {source} and "such as github:" in polled.problems[0].sentence


async def test_names_that_cannot_be_shown_are_reported_and_paths_lead_nowhere(store: Store) -> None:
    repository = Repository()
    repository.put("moe")
    for path in ("two\nlines.md", "half\ud800.md", "../../etc/x.md", "/etc/passwd.md"):
        repository.texts[f"src/content/posts/{path}"] = f"---\ntitle: {path[:4]!r}\n---\n"
    polled = await Sources(settings(), store, Library(), repository).poll()
    assert all(a.url.startswith("https://mlsystems.dev/blog/") for a in polled.articles)
    assert not any(".." in article.url for article in polled.articles)
    assert "moe" in [article.title for article in polled.articles]
    unshown = [p.where for p in polled.problems if "cannot be shown" in p.sentence]
    assert [where.rpartition("/")[2] for where in unshown] == ["two\ufffdlines.md", "half\ufffd.md"]
    kept = Sources(settings(), store, Library(), repository)
    assert (await kept.poll()).articles == polled.articles, "and they are in the database"
