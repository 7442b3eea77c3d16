"""/help: what the bot can do, shown to the one who asks."""

from __future__ import annotations

from bot.command import Command
from bot.view import Block, Bold, Code, Heading, Note, Text, View
from compute.help import TOOL, HelpRequest, HelpResult

ALSO = (
    ("articles", "what the community wrote, by topic or by words"),
    ("topics", "what it writes about"),
    ("jobs", "your runs on the workers, with Cancel"),
    ("workers", "the machines that run them"),
)
AT_HOME = (
    "In the community's own server, members with the role for it have Post to Discussions under "
    "answers and in a message's menu (Apps). Moderators have /config, maintainers /announce."
)


def show(request: HelpRequest, result: HelpResult) -> View:
    """Every tool that is there with an example; the rest is named as coming."""
    blocks: list[Block] = [Heading((Bold("Numbers for ML systems, where you talk about them"),))]
    for tool in result.tools:
        if tool.example:
            blocks.append(Text((Bold(f"/{tool.name}"), f"  {tool.summary}")))
            blocks.append(Text(("For example: ", Code(tool.example))))
    blocks += [Text((Bold(f"/{name}"), f"  {words}")) for name, words in ALSO]
    coming = [tool.title for tool in result.tools if not tool.example]
    if coming:
        blocks.append(Note((f"Coming: {', '.join(coming)}.",)))
    return View((*blocks, Note((AT_HOME,))), tone="notice")


COMMAND = Command(tool=TOOL, options=(), show=show, private=True)
