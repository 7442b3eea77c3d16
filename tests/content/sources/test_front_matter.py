from __future__ import annotations

import pytest

from content.sources.front_matter import read_front_matter
from content.sources.yaml_texts import Broken, Value

TABLE: list[tuple[str, bytes, dict[str, Value]]] = [
    ("yaml", b"---\ntitle: A\ntags: [x, y]\n---\nbody", {"title": "A", "tags": ["x", "y"]}),
    ("toml", b"+++\ntitle = 'A'\ndraft = true\nn = 3\n+++\n",
     {"title": "A", "draft": "true", "n": "3"}),
    ("toml dates", b"+++\ndate = 2026-11-12T10:00:00+01:00\nday = 2026-11-12\n+++\n",
     {"date": "2026-11-12T10:00:00+01:00", "day": "2026-11-12"}),
    ("json", b'{\n "title": "A", "draft": false, "x": null}\n\nbody',
     {"title": "A", "draft": "false", "x": ""}),
    ("bom", b"\xef\xbb\xbf---\ntitle: A\n---\n", {"title": "A"}),
    ("bom before toml", b"\xef\xbb\xbf+++\ntitle = 'A'\n+++\n", {"title": "A"}),
    ("crlf", b"---\r\ntitle: A\r\ntags:\r\n  - x\r\n---\r\n", {"title": "A", "tags": ["x"]}),
    ("cr", b"---\rtitle: A\r---\r", {"title": "A"}),
    ("blank lines first", b"\n\n---\ntitle: A\n---\n", {"title": "A"}),
    ("dots close", b"---\ntitle: A\n...\nbody", {"title": "A"}),
    ("blanks after the fence", b"---  \ntitle: A\n---\t\n", {"title": "A"}),
    ("no end of line", b"---\ntitle: A\n---", {"title": "A"}),
    ("words of YAML 1.1", b"---\ntitle: No\nno: yes\ntags: [on, off, ~]\n---\n",
     {"title": "No", "no": "yes", "tags": ["on", "off", ""]}),
    ("numbers stay as written", b"---\ntitle: 1.10\nslug: 0x10\n---\n",
     {"title": "1.10", "slug": "0x10"}),
    ("null in quotes", b"---\na: null\nb: 'null'\n---\n", {"a": "", "b": "null"}),
    ("day", b"---\ndate: 2026-11-12\n---\n", {"date": "2026-11-12"}),
    ("anchor", b"---\na: &x [p]\nb: *x\n---\n", {"a": ["p"], "b": ["p"]}),
    ("block text", b"---\nsummary: >\n  two\n  lines\n---\n", {"summary": "two lines"}),
    ("half a character", b'{"title": "a\\ud800", "\\udfff": ["\\ud800"]}',
     {"title": "a\ufffd", "\ufffd": ["\ufffd"]}),
    ("a number of 9,000 digits", b"+++\ntitle = 'A'\nn = 0x" + b"f" * 9_000 + b"\n+++\n",
     {"title": "A", "n": ""}),
    ("nothing between", b"---\n---\nbody", {}),
    ("a rule in the body", b"---\ntitle: A\n---\ntext\n---\nmore: no\n", {"title": "A"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "values"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_front_matter_is_read_as_written(content: bytes, values: dict[str, Value]) -> None:
    assert read_front_matter(content).values == values


BROKEN: list[tuple[str, bytes, int, str]] = [
    ("none", b"# A title\n", 1, "no front matter"),
    ("empty", b"", 1, "no front matter"),
    ("unclosed", b"---\ntitle: A\n\nbody\n", 1, "not closed"),
    ("unclosed after blank lines", b"\n\n+++\ntitle = 1\n", 3, "not closed"),
    ("digits in toml", b"+++\nn = " + b"9" * 9_000 + b"\n+++\n", 1, "too many digits"),
    ("digits in json", b'{"n": ' + b"9" * 9_000 + b"}", 1, "too many digits"),
    ("not utf-8", b"---\ntitle: A\nx: \xff\n---\n", 3, "not UTF-8"),
    ("utf-16", "---\ntitle: A\n---\n".encode("utf-16"), 1, "not UTF-8"),
    ("yaml", b"---\ntitle: A\ntags: [x\n---\n", 3, "YAML cannot be read"),
    ("yaml tab", b"---\ntitle: A\n\tb: c\n---\n", 3, "YAML cannot be read"),
    ("yaml list", b"---\n- a\n---\n", 2, "must be lines"),
    ("yaml text", b"---\njust words\n---\n", 2, "must be lines"),
    ("list as a key", b"---\n? [a]\n: b\n---\n", 2, "key must be a word"),
    ("unsafe tag", b"---\na: b\nx: !!python/object/apply:os.system [id]\n---\n", 3, "is not taken"),
    ("own tag", b"---\nx: !thing 1\n---\n", 2, "is not taken"),
    ("alias of nothing", b"---\na: *b\n---\n", 2, "*b"),
    ("alias of itself", b"---\na: &x [*x]\n---\n", 2, "*x"),
    ("toml", b"+++\ntitle = 'A'\ndate = never\n+++\n", 3, "TOML cannot be read"),
    ("toml given twice", b"+++\na = 1\na = 2\n+++\n", 3, "TOML cannot be read"),
    ("json", b'{\n "title": "A",\n "x": }\n', 3, "JSON front matter"),
    ("long head", b"---\n" + b"a: b\n" * 9_000 + b"---\n", 1, "first 16,384 characters"),
    ("deep yaml", b"---\na: " + b"[" * 16_000 + b"\n---\n", 2, "nested too deeply"),
    ("many values", b"---\na: [" + b"1," * 7_000 + b"]\n---\n", 2, "more than 5,000"),
    ("deep json", b'{"a":' + b"[" * 16_000, 1, "JSON"),
]


@pytest.mark.parametrize(
    ("content", "line", "words"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_what_cannot_be_read_is_named_with_its_line(content: bytes, line: int, words: str) -> None:
    with pytest.raises(Broken) as error:
        read_front_matter(content)
    assert words in error.value.sentence
    assert error.value.line == line


def test_a_title_with_a_colon_is_read_and_complained_of() -> None:
    front = read_front_matter(b"---\ndate: 2026-11-12\ntitle: Attention: it's why\nurl: a\n---\n")
    assert front.values == {"date": "2026-11-12", "title": "Attention: it's why", "url": "a"}
    assert front.complaints == ((3, "There is a colon in the text: YAML wants it in quotes."),)


def test_a_bomb_of_aliases_costs_nothing() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    front = read_front_matter(f"---\n{chr(10).join(lines)}\n---\n".encode())
    assert len(front.values) == 40


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"---\na: 1\nb: 2\na: 3\n---\n", 4), (b'{"a": 1,\n "a": 3}\n', 1)],
    ids=["yaml", "json"],
)
def test_a_key_given_twice_is_reported(content: bytes, line: int) -> None:
    front = read_front_matter(content)
    assert front.values["a"] == "3"
    assert front.complaints == ((line, "The key 'a' is given twice."),)


@pytest.mark.parametrize(
    "content",
    [b"\n---\ntitle: A\nslug: b\n---\n", b"\n+++\ntitle = 1\nslug = 2\n+++\n",
     b'\n{\n"title": 1,\n"slug": 2}'],
    ids=["yaml", "toml", "json"],
)  # fmt: skip
def test_lines_are_those_of_the_file(content: bytes) -> None:
    lines = read_front_matter(content).lines
    assert lines["slug"] == lines["title"] + 1 and lines["title"] == 3


def test_the_first_heading_stands_in_for_a_title() -> None:
    assert (
        read_front_matter(b"---\na: b\n---\ntext\n# The title #\n# Other\n").heading == "The title"
    )
