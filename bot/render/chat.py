"""What people write in Discord as GitHub's Markdown: it reads the same and calls nobody.

Discord's markdown and GitHub's share bold, lists, quotes and code, and differ in the rest: an
underline is bold there, a line of dashes makes a heading, a table or a comment appears. Whatever
Discord shows as typed is shown as typed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.render.chat_lines import LEFT, RIGHT, tidy_lines
from bot.render.github import github_code, github_line, parted, unreferring
from bot.render.markup import visible, web_address

HIDDEN = "▒▒▒▒"
UNKNOWN = {"user": "someone", "channel": "a-channel", "role": "a role"}

_BLOCK = re.compile(
    r"\\(?P<escaped>[^\w\s])"
    r"|```(?:(?P<language>[\w+#.-]{1,20})\n)?\n*(?P<code>[^\n][\s\S]*?)\n*```"
    r"|(?P<ticks>`+)(?P<inline>[\s\S]*?[^`])(?P=ticks)(?!`)"
    r"|^>>> (?P<rest>[\s\S]*)"
    r"|(?P<quote>(?:^> .*(?:\n|\Z))+)",
    re.MULTILINE,
)
_INLINE = re.compile(
    r"\[(?P<label>[^\[\]\n]{1,300})\]\(<?(?P<target>https?://[^\s<>()]{1,2000}"
    r"(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+\"[^\"\n]*\")?\)"
    r"|<(?P<angle>https?://[^\s<>]{1,2000})>"
    rf"|(?P<bare>https?://[^\s<>|{LEFT}{RIGHT}]{{1,2000}})"
    r"|<@!?(?P<user>\d{1,20})>|<@&(?P<role>\d{1,20})>|<#(?P<channel>\d{1,20})>"
    r"|<a?:(?P<emoji>\w{1,32}):\d{1,20}>|<t:(?P<time>-?\d{1,12})(?::[a-zA-Z])?>"
    r"|</(?P<command>[^:<>\n]{1,100}):\d{1,20}>|<id:(?P<guide>\w{1,20})>"
)
_LITERAL = re.compile(
    rf"[\\`<$]|&(?=[#\w]+;)|!(?=[\[{LEFT}])|\[|(?<=--\u200b)>|(?<!~)~(?!~)|~{{3,}}"
)
_UNDERLINED = re.compile(r"__(?=\S)([^\n]+?)__(?!_)")
_SPOILER = re.compile(r"\|\|(?=[^|])([\s\S]{1,4000}?)\|\|")
_KEPT = re.compile(rf"{LEFT}(\d+){RIGHT}")
_TRAILING = re.compile(r"[.,;:!?'\"*_~]+$")


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids in a text are called."""

    users: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str, id: str) -> str:
        """The name of a user, channel or role; "" where it is not known."""
        known = {"user": self.users, "channel": self.channels, "role": self.roles}
        return known[kind].get(id, "")


def github_chat(content: str, names: Names) -> str:
    """A message of Discord as Markdown; what it hides behind spoilers follows below, folded."""
    text = visible(content.replace("\r\n", "\n").expandtabs(4))
    text = text.replace(LEFT, "\ufffd").replace(RIGHT, "\ufffd")
    chat = _Chat(names)
    body = chat.restored(chat.converted(text, quotes=True))
    hidden = [
        f"<details><summary>Hidden {place}</summary>\n\n{chat.restored(words)}\n\n</details>"
        for place, words in enumerate(chat.hidden, 1)
    ]
    return "\n\n".join(part for part in (body, *hidden) if part)


def plain_chat(content: str, names: Names) -> str:
    """The words alone, for a title or a preview: ids are names, and no marks are left."""
    text = visible(content.replace("\r\n", "\n"))
    text = _INLINE.sub(lambda found: _plain(found, names), text)
    return re.sub(r"```(?:[\w+#.-]{1,20}\n)?|\*{2,}|__|~~|\|\||`", "", text)


def github_quote(markdown: str) -> str:
    """``markdown`` as a quotation, which also ends whatever it leaves open."""
    return "\n".join(f"> {line}".rstrip() for line in markdown.split("\n"))


def github_fence(text: str, language: str = "") -> str:
    """``text`` as a block of code that nothing in it can close; no hidden comment stands in it."""
    body = (
        visible(text.expandtabs(4)).replace("<!--", "<!\u200b--").replace("k2c:post", "k2c: post")
    )
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return f"{ticks}{language}\n{body}\n{ticks}"


@dataclass(slots=True)
class _Chat:
    """One message on its way. What is finished is put aside, and a mark holds its place."""

    names: Names
    kept: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    def converted(self, text: str, *, quotes: bool) -> str:
        """Code and quotes first, for nothing in them is what it looks like; then the rest."""
        text = _BLOCK.sub(lambda found: self._block(found, quotes), text)
        text = tidy_lines(text, self.keep)
        text = _INLINE.sub(self._inline, text)
        text = _LITERAL.sub(_escaped, parted(text))
        text = _UNDERLINED.sub(self._underlined, text)
        text = _SPOILER.sub(self._spoiler, text)
        return re.sub(r"\n{3,}", "\n\n", text).strip("\n")

    def keep(self, markdown: str) -> str:
        """A mark for finished ``markdown``."""
        self.kept.append(markdown)
        return f"{LEFT}{len(self.kept) - 1}{RIGHT}"

    def restored(self, text: str) -> str:
        """``text`` with what its marks stand for."""
        return _KEPT.sub(lambda found: self.kept[int(found[1])], text)

    def _block(self, found: re.Match[str], quotes: bool) -> str:
        if found["escaped"] is not None:
            return self.keep(_literal_char(found["escaped"]))
        if found["code"] is not None:
            return self._apart(github_fence(found["code"], found["language"] or ""))
        if found["inline"] is not None:
            return self.keep(github_code(found["inline"]))
        if not quotes:
            return found[0]
        lines = found["quote"].removesuffix("\n").split("\n") if found["quote"] else []
        inner = "\n".join(line[2:] for line in lines) if lines else found["rest"]
        quoted = github_quote(self.restored(self.converted(inner or "", quotes=False)))
        return self._apart(quoted)

    def _apart(self, markdown: str) -> str:
        return f"\n\n{self.keep(markdown)}\n\n"

    def _inline(self, found: re.Match[str]) -> str:
        kind = found.lastgroup or ""
        value = found[kind]
        match kind:
            case "target":
                return self.keep(_masked(found["label"], value))
            case "angle":
                return self.keep(_link(value))
            case "bare":
                url = _without_trail(value)
                return self.keep(_link(url)) + value[len(url) :]
            case "time":
                return self.keep(_instant(int(value)))
            case "emoji":
                return self.keep(parted(f":{value}:").replace("_", "\\_"))
            case "command":
                return self.keep(github_code(f"/{value}"))
            case "guide":
                return self.keep(github_line(value))
        return self.keep(self._named(kind, value))

    def _named(self, kind: str, id: str) -> str:
        known = {
            "user": self.names.users, "channel": self.names.channels, "role": self.names.roles
        }[kind]  # fmt: skip
        name = github_line(known.get(id, "")).strip() or UNKNOWN[kind]
        return f"#\u200b{name}" if kind == "channel" else f"**{name}**"

    def _underlined(self, found: re.Match[str]) -> str:
        return f"{self.keep('<ins>')}{found[1]}{self.keep('</ins>')}"

    def _spoiler(self, found: re.Match[str]) -> str:
        self.hidden.append(found[1])
        return self.keep(f"{HIDDEN} (hidden {len(self.hidden)})")


def _plain(found: re.Match[str], names: Names) -> str:
    kind = found.lastgroup or ""
    value = found[kind]
    match kind:
        case "target":
            return found["label"]
        case "time":
            return _instant(int(value))
        case "emoji":
            return f":{value}:"
        case "command":
            return f"/{value}"
        case "user" | "channel" | "role":
            name = names.of(kind, value) or UNKNOWN[kind]
            return f"#{name}" if kind == "channel" else name
    return value


def _escaped(found: re.Match[str]) -> str:
    if found[0] == "<":
        return "&lt;"
    if found[0] == "&":
        return "&amp;"
    return "".join(f"\\{char}" for char in found[0])


def _literal_char(char: str) -> str:
    """A character that was escaped: it calls nobody either."""
    if char in "@#":
        return f"{char}\u200b" if char == "@" else f"\\{char}\u200b"
    return {"<": "&lt;", "&": "&amp;"}.get(char, f"\\{char}" if char.isascii() else char)


def _without_trail(url: str) -> str:
    """An address as Discord ends it: without the sentence's own marks after it."""
    while True:
        before, url = url, _TRAILING.sub("", url)
        if url.endswith((")", "]")) and url.count(")") + url.count("]") > url.count(
            "("
        ) + url.count("["):
            url = url[:-1]
        if url == before:
            return url


def _link(url: str) -> str:
    address = web_address(url, "")
    if address is None:
        return github_line(url)
    around = unreferring(address)
    return f"<{address}>" if around == address else f"[{github_line(url)}](<{around}>)"


def _masked(label: str, url: str) -> str:
    """Words that lead somewhere; words that look like another address do not hide where."""
    address = web_address(url, "")
    words = github_line(label)
    if address is None or not words.strip():
        return words
    if "://" in label or label.strip().lower().startswith("www."):
        return f"{words} ({_link(url)})"
    return f"[{words}](<{unreferring(address)}>)"


def _instant(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "some time"
