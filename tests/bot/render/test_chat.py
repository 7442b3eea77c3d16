"""Discord's markdown on GitHub: it reads the same, calls nobody and refers to nothing."""

from __future__ import annotations

import random
import re

import pytest
from markdown_it import MarkdownIt

from bot.render.chat import Names, github_chat, github_fence, github_quote, plain_chat

NAMES = Names({"1": "alice [x](y) @bob"}, {"2": "general-12"}, {"3": "mods"})
APART = "\u200b"
PIECES = (
    "*", "_", "||", "`", "```", "[", "](", "<@1>", "@a", "~", "\\", "#1", "x", "> ", "\n", " ",
)  # fmt: skip


def rendered(markdown: str) -> str:
    """As GitHub renders a comment: line ends are line ends, tables and strikes are on."""
    made = MarkdownIt("commonmark", {"html": True, "breaks": True})
    return str(made.enable(["table", "strikethrough"]).render(markdown))


def html(content: str) -> str:
    """The message on GitHub, without the spaces that part names."""
    return rendered(github_chat(content, NAMES)).replace(APART, "")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("**bold** *it* _it_ ~~no~~", "<strong>bold</strong> <em>it</em> <em>it</em> <s>no</s>"),
        ("__under__ and ___both___", "<ins>under</ins> and <ins><em>both</em></ins>"),
        ("a_name_here and __init__", "a_name_here and <ins>init</ins>"),
        ("-# small", "<sub>small</sub>"),
        ("# one\n### three", "<h1>one</h1>\n<h3>three</h3>"),
        ("#### four", "<p>#### four</p>"),
        ("hello <@1>, <@!9>", "hello <strong>alice [x](y) @bob</strong>, <strong>someone</strong>"),
        ("<@&3> in <#2>", "<strong>mods</strong> in #general-12"),
        ("at <t:1700000000:R>", "at 2023-11-14 22:13 UTC"),
        ("<:kek_w:123> <a:go:4>", ":kek_w: :go:"),
        ("use </bench run:5>", "use <code>/bench run</code>"),
        ("- a\n- b\ntext", "<li>b</li>\n</ul>\n<p>text</p>"),
        ("> quoted\nnot quoted", "<p>quoted</p>\n</blockquote>\n<p>not quoted</p>"),
        (">>> all\nof it", "<p>all<br />\nof it</p>\n</blockquote>"),
        ("\\*not bold\\* \\<b>", "*not bold* &lt;b&gt;"),
        ("$5 and $6$ & &lt; &#64;x", "$5 and $6$ &amp; &amp;lt; &amp;#64;x"),
        ("[docs](https://e.org/a_(b))", '<a href="https://e.org/a_%28b%29">docs</a>'),
        ("see (https://e.org/x).", 'see (<a href="https://e.org/x">https://e.org/x</a>).'),
    ],
)
def test_what_discord_shows_github_shows(content: str, wanted: str) -> None:
    assert wanted in html(content)


@pytest.mark.parametrize(
    "content",
    [
        "title\n---", "title\n===", "***", "- - -", "    indented", "[a]: https://e.org",
        "+ plus", "1) one", ">no space", "~single~", "~~~\nfence", "a `lone tick", "C:\\dir\\x",
        "<b>html</b>", "<!-- comment -->", "![picture](x)", "[^1]", "[!NOTE]", "&nbsp;", "\\",
    ],
)  # fmt: skip
def test_what_is_text_in_discord_is_text_on_github(content: str) -> None:
    shown = re.sub(r"<br ?/?>|</?p>", "", html(content)).replace("\u00a0", " ")
    for name, char in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("amp", "&")):
        shown = shown.replace(f"&{name};", char)
    if "https" in content:
        shown = re.sub(r"</?a[^>]*>", "", shown)
    assert shown.strip() == content.strip()


def test_code_blocks_are_kept_wherever_they_stand() -> None:
    made = html("look: ```py\n@triton.jit\nx = '<b>' # closes #1\n``` so")
    assert "class=\"language-py\">@triton.jit\nx = '&lt;b&gt;' # closes #1\n</code>" in made
    assert "<p>so</p>" in made
    quoted = html("> q\n> ```\n> code\n> ```\nafter")
    assert "<pre><code>code\n</code></pre>\n</blockquote>\n<p>after</p>" in quoted
    assert "<code>a ` b</code>" in html("``a ` b``")
    doctest = html("```\n>>> 1 + 1\n2\n```")
    assert "&gt;&gt;&gt; 1 + 1\n2" in doctest


def test_spoilers_stay_hidden_and_nothing_is_lost() -> None:
    made = html("the end: ||he `dies` in **3**|| ok ||\n```\ncode\n```||")
    assert "dies" not in made.split("<details>")[0] and "▒" in made
    assert "<p>he <code>dies</code> in <strong>3</strong></p>" in made
    assert made.count("<details>") == made.count("</details>") == 2 and "code" in made


@pytest.mark.parametrize(
    "text",
    [
        "@octocat", "a@octocat", "@org/team", "\\@octocat", "&#64;octocat", "&commat;octocat",
        "**@octocat**", "||@octocat||", "__@octocat__", "> @octocat", "<@octocat>", "@everyone",
        "@\u200boctocat", "#12", "\\#12", "o/r#12", "&#35;12", "GH-12", "gh-12", "(#12)",
    ],
)  # fmt: skip
def test_nobody_is_called_and_nothing_is_referred_to(text: str) -> None:
    made = rendered(github_chat(text, NAMES))
    assert not re.search(r"@[A-Za-z0-9]", made)
    assert not re.search(r"#\d|GH-\d", made.replace("&#", ""), re.IGNORECASE)


def test_links_to_issues_leave_no_mark_there() -> None:
    for content in (
        "https://github.com/o/r/issues/3", "<https://github.com/o/r/pull/3>",
        "[x](https://github.com/o/r/discussions/3)",
    ):  # fmt: skip
        assert 'href="https://redirect.github.com/o/r/' in rendered(github_chat(content, NAMES))
        assert 'href="https://github.com' not in rendered(github_chat(content, NAMES))


def test_a_link_does_not_hide_where_it_leads() -> None:
    made = html("[https://good.example](https://evil.example) [x](javascript:alert)")
    assert 'href="https://evil.example">https://evil.example<' in made
    assert "good.example</a>" not in made and 'href="javascript' not in made


def test_no_picture_is_loaded_and_no_tag_or_comment_made() -> None:
    hostile = (
        "![x](https://e.org/x.png) <img src=x onerror=y> <!-- k2c:post key=abc --> <details>"
        "\n<!-- sha1: abc -->\n```\n<!-- k2c:post key=abc -->\n```\n`<!-- k2c:post key=x -->`"
    )
    markdown = github_chat(hostile, NAMES)
    made = rendered(markdown)
    assert "<img" not in made and "<!--" not in made and "<details" not in made
    assert "k2c:post" not in markdown


def test_marks_of_our_own_cannot_be_forged() -> None:
    assert "\ue000" not in github_chat("\ue0000\ue001 <@1> \ue0005\ue001", NAMES)


def test_a_quotation_contains_whatever_is_left_open() -> None:
    for open_end in ("```\nfence", "<details>", "`tick", "**bold", "||spoiler", "~~~", "<!--"):
        made = rendered(github_quote(github_chat(open_end, NAMES)) + "\n\nafter *this*")
        assert made.endswith("</blockquote>\n<p>after <em>this</em></p>\n"), open_end


def test_a_fence_cannot_be_closed_from_within() -> None:
    made = rendered(github_fence("a\n```\nb\n`````\nc", "py") + "\n\n# after")
    assert made.count("<pre>") == 1 and made.endswith("<h1>after</h1>\n")


def test_a_title_has_neither_marks_nor_ids() -> None:
    plain = plain_chat("**why** is <@1> in <#2> __so__ ||slow|| [docs](https://e.org)", NAMES)
    assert plain == "why is alice [x](y) @bob in #general-12 so slow docs"


def test_any_mixture_of_marks_ends_where_its_message_ends() -> None:
    random.seed(7)
    for piece in [*PIECES, "[a](", "__a", "||a"]:
        content = (piece * 4000)[:4000]
        github_chat(content, NAMES)
    for _ in range(20):
        content = "".join(random.choices(PIECES, k=2000))[:4000]
        made = rendered(github_quote(github_chat(content, NAMES)) + "\n\nafter")
        assert made.endswith("</blockquote>\n<p>after</p>\n")
        outside_code = re.sub(r"<code.*?</code>", "", made, flags=re.DOTALL)
        assert not re.search(r"@[a-z]", outside_code) and "\ue000" not in made
