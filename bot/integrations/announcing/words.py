"""What an article's announcement says: the Discussion and the Discord message."""

from __future__ import annotations

from collections.abc import Sequence

from bot.integrations.announcing.giscus import giscus_lines
from bot.posting import Card
from bot.render.github import github_markdown, github_text, github_title
from bot.view import Anchor, Block, Bold, Note, Span, Text, View
from content.sources.article import Article

SUMMARY_MOST = 1_500  # characters in Discord, where a message is read at a glance
BODY_MOST = 60_000  # of GitHub's 65,536, with room for what stands below
WITHDRAWN = "Withdrawn: "
GONE = "The authors took this article back for now."
STAYS = "What was said below stays."


def card(article: Article, topic: str, discussion_url: str, withdrawn: bool = False) -> Card:
    """The message in Discord; without a Discussion it links to the article alone."""
    discuss = (("Discuss", discussion_url),) if discussion_url else ()
    if withdrawn:
        return Card(
            title=WITHDRAWN + article.title, url=article.url, lines=(GONE,), links=discuss,
            tone="notice",
        )  # fmt: skip
    summary = _cut(article.summary, SUMMARY_MOST)
    return Card(
        title=article.title,
        url=article.url,
        lines=(summary,) if summary else (),
        note=" · ".join(_facts(article, topic, read=" min")),
        links=(("Read", article.url), *discuss),
    )


def discussion_title(article: Article, withdrawn: bool = False) -> str:
    """The Discussion's title, safe and of at most 256 characters."""
    return github_title((WITHDRAWN if withdrawn else "") + article.title)


def discussion_view(
    article: Article, topic: str, discord: Sequence[tuple[str, str]] = (), withdrawn: bool = False
) -> View:
    """What the Discussion shows; ``discord``: names of channels with addresses there."""
    where = _where(discord)
    if withdrawn:
        gone = Text((Bold("Withdrawn."), f" {GONE} {STAYS}"))
        return View((gone, *([Text(("In ", *where, "."))] if where else [])), "notice")
    facts = _facts(article, topic, read=" min read", dated=True)
    blocks: list[Block] = [Text((_fitting(article.summary),))] if article.summary else []
    blocks.append(Text((Anchor("Read the article", article.url),)))
    blocks += [Note((" · ".join(facts),))] if facts else []
    here = ("Discuss below", *((" or in ", *where) if where else ()), ".")
    return View((*blocks, Text(here)))


def discussion_body(view: View, article: Article) -> str:
    """``view`` as the Discussion's Markdown, with the site's comment box pointed at it."""
    return f"{github_markdown(view, '')}\n\n{giscus_lines(article.url)}"


def _where(discord: Sequence[tuple[str, str]]) -> tuple[Span, ...]:
    """Discord's channels by name; by number where several have none."""
    if len(discord) == 1 and not discord[0][0]:
        return (Anchor("Discord", discord[0][1]),)
    spans: list[Span] = []
    for place, (name, url) in enumerate(discord, start=1):
        spans += [", " if spans else "Discord: ", Anchor(f"#{name}" if name else f"{place}", url)]
    return tuple(spans)


def _facts(article: Article, topic: str, *, read: str, dated: bool = False) -> list[str]:
    """Who, when, how long and about what, as far as it was given."""
    facts = [f"by {_joined(article.authors)}"] if article.authors else []
    if dated and article.date is not None:
        facts.append(f"{article.date.day} {article.date:%B %Y}")
    facts += [f"{article.read_min}{read}"] if article.read_min else []
    return [*facts, *([topic] if topic else [])]


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, ended at a paragraph or else at a word."""
    text = text.strip()
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    for end in ("\n\n", "\n", " "):
        at = kept.rfind(end)
        if at > limit // 2:
            return kept[:at].rstrip() + "…"
    return kept + "…"


def _fitting(text: str) -> str:
    """As much of ``text`` as fits once it is escaped, which may double it."""
    kept = _cut(text, BODY_MOST)
    while len(github_text(kept)) > BODY_MOST:
        kept = _cut(kept, len(kept) * 4 // 5)
    return kept
