"""What the tools are, in the community's own words, and which of them are here already."""

from __future__ import annotations

from functools import cache

from pydantic import BaseModel, ConfigDict

from compute.inputs import short_name
from compute.tool import AnyTool, Context, Request, Result, Tool, load_tool
from content.site import load_site


class HelpRequest(Request):
    """Nothing to ask."""


class ToolLine(BaseModel):
    """One tool: the word after the slash, its title, what it is for.

    ``example`` is a line that works, empty while the tool is not there yet.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    summary: str
    example: str


class HelpResult(Result):
    """The tools, in the home page's order."""

    tools: tuple[ToolLine, ...]


async def run(request: HelpRequest, ctx: Context) -> HelpResult:
    """The home page's list, with an example for each tool that exists."""
    return HelpResult(tools=_tools())


@cache
def _tools() -> tuple[ToolLine, ...]:
    """Read once: neither the file nor the tools change while we run."""
    return tuple(
        ToolLine(name=t.id, title=t.name, summary=t.desc, example=_example(t.id))
        for t in load_site().tools
    )


def _prepare() -> None:
    _tools()


def _example(name: str) -> str:
    try:
        tool = load_tool(name)
    except LookupError:
        return ""
    return " ".join([f"/{name}", *_required(tool)])


def _required(tool: AnyTool) -> list[str]:
    """``gpu:h100`` for each option without which the tool does not run."""
    return [
        f"{short_name(field, info)}:{info.examples[0]}"
        for field, info in tool.request.model_fields.items()
        if info.is_required() and info.examples
    ]


TOOL = Tool(
    name="help",
    title="Help",
    summary="What I can do, with one example each.",
    request=HelpRequest,
    result=HelpResult,
    run=run,
    prepare=_prepare,
)
