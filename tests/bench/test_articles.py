"""5,000 articles: the first scan, a scan when nothing changed, a look at the library."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bot.integrations.feeds.service import Sources
from bot.store import Store
from config.settings import load_settings
from content.library import Library
from tests.bench.harness import figure, title

ARTICLES = 5_000
ROUNDS = 5
TOPICS = ("inference", "training", "rag", "evals", "models")
WORDS = (
    *("attention", "kernel", "memory", "routing", "cache"),
    *("prefill", "decode", "quantization", "batch", "cluster"),
)


def write_articles(folder: Path) -> None:
    for number in range(ARTICLES):
        words = " ".join(WORDS[(number * k + k) % len(WORDS)] for k in range(3, 12))
        head = (
            f'title: "{words.title()}: part {number}"\nsummary: {words} and {number} more\n'
            f"authors: [author{number % 40}]\ndate: {2000 + number % 26}-01-{1 + number % 28:02}\n"
            f"readMin: {1 + number % 30}\ntopicId: {TOPICS[number % len(TOPICS)]}\n"
            f"tags: [{words.split()[0]}, tag{number % 200}]\nfeatured: false\ndraft: false"
        )
        place = folder / f"a{number}"
        place.mkdir(parents=True)
        (place / "index.mdx").write_text(f"---\n{head}\n---\n{'text ' * 400}", encoding="utf-8")


@pytest.mark.bench
async def test_five_thousand_articles_are_scanned_and_searched(tmp_path: Path) -> None:
    posts = tmp_path / "src" / "content" / "posts"
    write_articles(posts)
    settings = load_settings(articles=str(tmp_path))
    store = await Store.open(tmp_path / "k2c.sqlite")
    try:
        cold: list[float] = []
        same: list[float] = []
        cold_cpu: list[float] = []
        same_cpu: list[float] = []
        for _ in range(ROUNDS):
            library = Library()
            sources = Sources(settings, store, library)
            for taken, cpu in ((cold, cold_cpu), (same, same_cpu)):
                start, start_cpu = time.perf_counter(), time.process_time()
                polled = await sources.poll()
                taken.append(time.perf_counter() - start)
                cpu.append(time.process_time() - start_cpu)
                assert len(polled.articles) == ARTICLES and not polled.problems
        title(f"{ARTICLES:,} articles, seconds of wall clock, {ROUNDS} rounds")
        figure("first scan (budget 5)", cold)
        figure("first scan, CPU", cold_cpu)
        figure("nothing changed (budget 0.5)", same)
        figure("nothing changed, CPU", same_cpu)
        for search in ("", "attention", "a", "attention kernel mem", "zebra"):
            took: list[float] = []
            for _ in range(ROUNDS):
                start = time.process_time()
                found = library.find(search)
                took.append((time.process_time() - start) * 1e3)
            figure(f"search {search!r}, CPU ms ({len(found):,} found; budget 5)", took)
    finally:
        await store.close()
