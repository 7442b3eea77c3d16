from __future__ import annotations

from datetime import UTC, datetime

import pytest

from content.sources.fields import Entry, Place, article_of
from content.sources.front_matter import read_front_matter
from content.sources.read import site_topics
from content.sources.yaml_texts import Broken

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SITE = "https://mlsystems.dev"
DAY = datetime(2026, 11, 12, tzinfo=UTC)


def read(head: str, where: str = "posts/moe-routing.md") -> tuple[Entry, list[tuple[int, str]]]:
    front = read_front_matter(f"---\n{head}\n---\n".encode())
    return article_of(front, Place("dir", where, SITE), site_topics())


def entry(head: str, where: str = "posts/moe-routing.md") -> Entry:
    return read(f"title: T\n{head}", where)[0]


def broken(head: str) -> Broken:
    with pytest.raises(Broken) as error:
        read(head)
    return error.value


def test_the_sites_own_front_matter_is_all_understood() -> None:
    made, complaints = read(
        "title: 'A: B'\nsummary: S\nauthors: [lchen, mk]\ndate: 2026-11-12\nreadMin: 14\n"
        "topic: Inference\ntopicId: inference\ntags: [gpu, kernels]\nupdated: 2026-11-13\n"
        "featured: true\ndraft: false",
        "src/content/posts/arithmetic/index.mdx",
    )
    article = made.article
    assert complaints == []
    assert article.model_dump(exclude={"source", "where"}) == {
        "key": "https://mlsystems.dev/blog/arithmetic",
        "slug": "arithmetic",
        "title": "A: B",
        "url": "https://mlsystems.dev/blog/arithmetic",
        "summary": "S",
        "authors": ("lchen", "mk"),
        "date": DAY,
        "updated": datetime(2026, 11, 13, tzinfo=UTC),
        "read_min": 14,
        "topic": "inference",
        "tags": ("gpu", "kernels"),
        "featured": True,
        "state": "published",
    }


def test_nothing_that_was_not_given_is_filled_in() -> None:
    article = entry("topicId: inference").article
    assert (article.summary, article.authors, article.tags) == ("", (), ())
    assert (article.date, article.updated, article.read_min) == (None, None, None)


@pytest.mark.parametrize(
    "head",
    ["date: 2026-11-12", "pubDate: 'Nov 12 2026'", "publishDate: 2026-11-12T00:00:00Z",
     "publish_date: 2026-11-12 00:00:00", "date: 2026-11-12 01:00:00 +0100",
     "date: 2026-11-12 01:00:00 +01:00", "date: November 12, 2026", "published: 2026-11-12",
     "date: {created: 2026-11-12, updated: 2026-11-20}", "date: 2026/11/12",
     "pubDate: Thu, 12 Nov 2026 00:00:00 GMT", "date: 2026-01-01\npublishDate: 2026-11-12"],
)  # fmt: skip
def test_every_generators_date_is_the_same_day(head: str) -> None:
    assert entry(head).article.date == DAY


def test_a_file_name_gives_the_day_and_the_slug_as_in_jekyll() -> None:
    article = entry("", "_posts/2026-11-12-moe-routing.markdown").article
    assert (article.date, article.slug) == (DAY, "moe-routing")
    assert entry("date: 2026-01-02", "2026-11-12-x.md").article.date == datetime(
        2026, 1, 2, tzinfo=UTC
    )
    assert entry("", "2026-13-40-x.md").article.slug == "2026-13-40-x"


@pytest.mark.parametrize(
    ("head", "where"),
    [("summary: S", ""), ("description: S", ""), ("excerpt: S", ""),
     ("description: D\nsummary: S", "")],
)  # fmt: skip
def test_a_summary_has_three_names(head: str, where: str) -> None:
    assert entry(head).article.summary == "S"


@pytest.mark.parametrize(
    ("head", "authors"),
    [("authors: [a, b]", ("a", "b")), ("author: Chen, L.", ("Chen, L.",)),
     ("authors: a, b", ("a", "b")), ("authors:\n  - name: Ann\n  - key: bob\n", ("Ann", "bob")),
     ("author: {name: Ann}", ("Ann",)), ("authors: []\nauthor: x", ("x",)),
     ("authors: [a, a, '']", ("a",))],
)  # fmt: skip
def test_authors_come_in_many_forms(head: str, authors: tuple[str, ...]) -> None:
    assert entry(head).article.authors == authors


@pytest.mark.parametrize(
    ("head", "tags"),
    [("tags: [a b, c]", ("a b", "c")), ("tags: a b", ("a", "b")), ("tags: a b, c", ("a b", "c"))],
)
def test_tags_are_a_list_or_words(head: str, tags: tuple[str, ...]) -> None:
    assert entry(head).article.tags == tags


@pytest.mark.parametrize(
    "head",
    ["draft: true", "draft: yes", "published: false", "unlisted: true", "expiryDate: 2026-11-22"],
)
def test_what_is_not_for_readers_is_a_draft(head: str) -> None:
    assert entry(head).at(NOW).state == "draft"


def test_published_true_is_no_date_and_no_draft() -> None:
    made = entry("published: true\ndate: 2026-11-12").at(NOW)
    assert (made.state, made.date) == ("published", DAY)


def test_an_article_of_the_future_becomes_due() -> None:
    made = entry("date: 2026-11-24")
    assert made.at(NOW).state == "future" and not made.at(NOW).shows(NOW)
    later = datetime(2026, 11, 24, 1, tzinfo=UTC)
    assert made.at(later).state == "published" and made.at(later).shows(later)
    assert made.at(NOW).fingerprint == made.at(later).fingerprint


@pytest.mark.parametrize(
    ("head", "url"),
    [("slug: other", "https://mlsystems.dev/blog/other"),
     ("slug: /deep/er/", "https://mlsystems.dev/blog/deep/er"),
     ("url: /notes/x/", "https://mlsystems.dev/notes/x/"),
     ("permalink: notes/x", "https://mlsystems.dev/notes/x"),
     ("permalink: /:categories/:title/", "https://mlsystems.dev/blog/moe-routing"),
     ("canonical: https://other.org/x?y=1#z", "https://other.org/x?y=1#z"),
     ("canonicalUrl: https://other.org/x", "https://other.org/x"),
     ("slug: \u00fcber uns", "https://mlsystems.dev/blog/%C3%BCber%20uns")],
)  # fmt: skip
def test_an_article_may_name_its_address(head: str, url: str) -> None:
    assert entry(head).article.url == url


def test_a_renamed_file_with_the_same_address_is_the_same_article() -> None:
    first = entry("url: /notes/x", "old.md").article
    moved = entry("url: https://mlsystems.dev/notes/x/?utm=1#top", "new/name/index.mdx").article
    assert first.key == moved.key and first.short_key == moved.short_key


@pytest.mark.parametrize(
    ("topic", "id"),
    [("inference", "inference"), ("Inference & Serving", "inference"), ("MULTIMODAL", "models"),
     ("mlops-deployment", "mlops"), ("Retrieval & RAG", "rag")],
)  # fmt: skip
def test_a_topic_is_known_by_id_older_id_and_name(topic: str, id: str) -> None:
    assert entry(f"topic: {topic}").article.topic == id


def test_an_unknown_topic_names_the_nearest() -> None:
    error = broken("title: T\ntopicId: inferense")
    assert error.line == 3 and "Closest: inference." in error.sentence
    assert "rag" in broken("title: T\ntopic: gardening").sentence


def test_a_category_that_is_no_topic_is_none_and_no_problem() -> None:
    made, complaints = read("title: T\ncategories: [news, Quantization]")
    assert made.article.topic == "quantization" and complaints == []
    assert entry("categories: news").article.topic is None


@pytest.mark.parametrize(
    ("head", "line", "words"),
    [("summary: S", 1, "no title"), ("title: T\ndate: tomorrow", 3, "no date such as"),
     ("title: T\ndraft: maybe", 3, "neither true nor false"),
     ("title: T\nurl: javascript:alert(1)", 3, "no web address"),
     ("title: T\nurl: https://user:pw@x.org/", 3, "no web address"),
     ("title: T\nurl: 'http://[::1'", 3, "url:"),
     ("title: T\nslug: ../../etc", 3, "cannot be the end"),
     ("title: T\nslug: a?b", 3, "cannot be the end"), ("title: T\ndate: 0000-00-00", 3, "date"),
     ("title: T\ndate: 0001-01-01T00:00:00+14:00", 3, "date")],
)  # fmt: skip
def test_what_must_be_right_before_it_is_announced_is_named(
    head: str, line: int, words: str
) -> None:
    error = broken(head)
    assert (error.line, words in error.sentence) == (line, True), error.sentence


@pytest.mark.parametrize(
    ("head", "minutes"), [("readMin: 14", 14), ("readingTime: 3.6 min read", 4), ("x: 1", None)]
)
def test_reading_time_is_only_what_is_given(head: str, minutes: int | None) -> None:
    assert entry(head).article.read_min == minutes


def test_a_reading_time_that_is_none_costs_only_itself() -> None:
    made, complaints = read("title: T\nreadMin: soon")
    assert made.article.read_min is None and complaints == [(3, "readMin is no number of minutes.")]


def test_control_signs_and_line_ends_leave_the_title() -> None:
    made = read('title: "A\\n\\u202eB\\u0007 C"')[0].article
    assert made.title == "A B C"
