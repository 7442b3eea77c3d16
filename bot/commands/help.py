"""/help: what the bot can do, shown to the one who asks."""

from __future__ import annotations

from bot.command import Command
from bot.view import Block, Bold, Code, Heading, Note, Text, View
from compute.help import TOOL, HelpRequest, HelpResult


def show(request: HelpRequest, result: HelpResult) -> View:
    """Every tool that is there with an example; the rest is named as coming."""
    blocks: list[Block] = [Heading((Bold("Numbers for ML systems, where you talk about them"),))]
    for tool in result.tools:
        if tool.example:
            blocks.append(Text((Bold(f"/{tool.name}"), f"  {tool.summary}")))
            blocks.append(Text(("For example: ", Code(tool.example))))
    coming = [tool.title for tool in result.tools if not tool.example]
    if coming:
        blocks.append(Note((f"Coming: {', '.join(coming)}.",)))
    return View(tuple(blocks), tone="notice")


COMMAND = Command(tool=TOOL, options=(), show=show, private=True)
