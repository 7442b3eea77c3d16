from __future__ import annotations

import pytest

from bot.command import answer
from bot.commands.help import COMMAND
from bot.line import parse_options
from bot.runner import Outcome
from bot.view import Button, Code, Link, Text
from compute.help import TOOL, HelpRequest, run
from compute.inputs import check_inputs
from compute.tool import load_tool
from content.site import load_site
from tests.sample import PlainContext


async def test_every_tool_of_the_home_page_is_there_or_coming() -> None:
    result = await run(HelpRequest(), PlainContext())
    assert [tool.name for tool in result.tools] == [tool.id for tool in load_site().tools]
    assert next(t for t in result.tools if t.name == "throughput").example


async def test_an_example_of_help_works_when_typed() -> None:
    from bot.commands import load_command

    for line in (await run(HelpRequest(), PlainContext())).tools:
        if line.example:
            options = line.example.removeprefix(f"/{line.name} ")
            check_inputs(load_tool(line.name), parse_options(load_command(line.name), options))


async def test_help_is_for_its_asker_and_has_nothing_to_share_or_change() -> None:
    result = await run(HelpRequest(), PlainContext())
    view = answer(COMMAND, Outcome("a" * 22, TOOL, {}, HelpRequest(), result, None))
    assert COMMAND.private
    assert not any(isinstance(block, Button | Link) for block in view.blocks)
    shown = [span for b in view.blocks if isinstance(b, Text) for span in b.words]
    assert any(isinstance(span, Code) and "/throughput gpu:" in span.text for span in shown)


async def test_help_names_every_command_that_members_have() -> None:
    from bot.commands import command_names

    view = COMMAND.show(HelpRequest(), await run(HelpRequest(), PlainContext()))
    shown = "".join(str(block) for block in view.blocks)
    for name in command_names():
        hidden = name in ("help", "selfcheck")  # the answer itself; the operator's own
        assert (f"'/{name}'" in shown) != hidden, name
    assert "/config" in shown and "/announce" in shown and "Post to Discussions" in shown


async def test_help_reads_no_file_while_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    TOOL.prepare()
    monkeypatch.setattr("compute.help.load_site", lambda: pytest.fail("a file was read"))
    assert (await run(HelpRequest(), PlainContext())).tools
