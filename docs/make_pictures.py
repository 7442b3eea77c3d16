"""Draws the pictures of the docs from real answers: ``make pictures`` (needs Chromium).

The message that the bot would send is laid out as Discord's dark client does, closely enough to
judge lengths and wrapping, and photographed at the width of a desktop and of a phone.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from community_pictures import announcement, config_show, discussion_page

from bot.command import Command, answer
from bot.commands import load_command
from bot.render import drawing
from bot.render.discord import Shown, payload
from bot.runner import Outcome
from bot.view import Chart, Series, Theme, View
from compute.context import LocalContext
from compute.inputs import check_inputs
from compute.tool import Refused
from content.tables import CATALOGUE

PICTURES = Path(__file__).with_name("pictures")
# Each begins with its command's name.
EXAMPLES: Mapping[str, dict[str, Any]] = {
    "throughput": {
        "gpu": "h100", "model": "meta-llama/Llama-3.1-70B", "gpus": 2, "batch": 32, "dtype": "fp8",
    },
    "throughput-compare": {
        "gpu": "h100,h200,mi300x", "model": "Qwen/Qwen3-32B", "batch": 64, "dtype": "fp8",
    },
    "throughput-no-fit": {"gpu": "h100", "model": "meta-llama/Llama-3.1-70B"},
    "throughput-unknown": {"gpu": "h1000", "model": "meta-llama/Llama-3.1-70B"},
    "cost": {
        "model": "openai/gpt-oss-120b", "requests_per_day": 200_000, "input": 1200, "output": 300,
    },
}  # fmt: skip
# Of docs/what-utilization-really-is.md.
PROFILES = {
    "Azure": "azure-2024-conversation",
    "large": "servegen-m-large",
    "reasoning": "servegen-deepseek-r1",
}
DEMANDS = tuple(10 ** (place / 50) for place in range(-85, 101))  # 0.02 to 100 replicas
THEMES: tuple[Theme, ...] = ("dark", "light")
WIDTHS = {"": 660, "-phone": 400}
DISCUSSION_WIDTH = 800
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--hide-scrollbars", "--force-device-scale-factor=2",
)  # fmt: skip
STYLE = """
body { background: #313338; color: #dbdee1; font: 15px/1.38 'DejaVu Sans', sans-serif;
       margin: 0; padding: 16px; }
.box { background: #2b2d31; border: 1px solid #3f4147; border-left: 4px solid #5865f2;
       border-radius: 8px; padding: 12px 14px; max-width: 560px; }
.refusal { border-left-color: #f0b232 }
pre { background: #1e1f22; border-radius: 4px; padding: 8px; margin: 6px 0;
      font: 13px/1.35 'DejaVu Sans Mono', monospace; white-space: pre-wrap; }
code { background: #1e1f22; border-radius: 3px; padding: 1px 4px; font: 13px 'DejaVu Sans Mono'; }
small { color: #949ba4; font-size: 12px; display: block }
img { width: 100%; max-width: 550px; border-radius: 8px; margin: 8px 0 2px; display: block }
button { background: #4e5058; color: #fff; border: 0; border-radius: 8px; padding: 8px 14px;
         margin: 6px 8px 0 0; font: 14px 'DejaVu Sans', sans-serif; }
.menu { background: #1e1f22; border-radius: 8px; padding: 8px 12px; margin-top: 8px;
        color: #949ba4; display: flex; justify-content: space-between; max-width: 400px }
.primary { background: #5865f2 } .danger { background: #da373c } a { color: #00a8fc }
"""
TEXT, MEDIA, ROW, BUTTON, SELECT, CONTAINER = 10, 12, 1, 2, 3, 17  # Discord's component types


async def outcome_of(name: str, inputs: Mapping[str, Any]) -> tuple[Command, Outcome]:
    """The command ``name`` and how its run ended."""
    command = load_command(name)
    context = LocalContext("https://huggingface.co")
    result_id = "examples-are-not-kept0"
    try:
        request = check_inputs(command.tool, inputs)
        result = await command.tool.run(request, context)
        outcome = Outcome(result_id, command.tool, inputs, request, result, None)
    except Refused as refused:
        outcome = Outcome(result_id, command.tool, inputs, None, None, refused.refusal)
    finally:
        await context.close()
    return command, outcome


def utilization_over_demand() -> Chart:
    """The share of a fleet that real traffic uses, from one replica's fiftieth to a hundred."""
    from compute.cost import size_fleet

    text = (CATALOGUE / "traffic_profiles.json").read_text(encoding="utf-8")
    profiles = json.loads(text)["profiles"]
    scalings: tuple[Literal["static", "autoscaled"], ...] = ("static", "autoscaled")
    series = tuple(
        Series(
            name=f"{name}, {scaling}",
            xs=DEMANDS,
            ys=tuple(
                100 * size_fleet(profiles[key], demand, scaling=scaling).utilization
                for demand in DEMANDS
            ),
            dots=False,
            dashed=scaling == "static",
        )
        for scaling in reversed(scalings)
        for name, key in PROFILES.items()
    )
    return Chart(
        title="What real traffic uses of a fleet of whole replicas",
        x_label="mean demand, in replicas",
        y_label="utilization, %",
        series=series,
        alt="",
        log_x=True,
    )


def page_of(view: View) -> str:
    """The message as one HTML page."""
    chart = next(iter(view.charts()), None)
    picture = drawing.draw(chart) if chart is not None else None
    shown = Shown("examples-are-not-kept0", "https://k2c.example.org", public=True, png=picture)
    return page_with(payload(view, shown)["components"], picture)


def page_with(components: list[dict[str, Any]], picture: bytes | None = None) -> str:
    """Components as one HTML page."""
    body = "".join(parts(components, picture))
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{body}"


def parts(components: list[dict[str, Any]], picture: bytes | None) -> Iterator[str]:
    """Components to HTML, in order."""
    for part in components:
        inside = "".join(parts(part.get("components", []), picture))
        match part["type"]:
            case kind if kind == CONTAINER:
                yield f"<div class=box>{inside}</div>"
            case kind if kind == ROW:
                yield f"<div>{inside}</div>"
            case kind if kind == TEXT:
                yield f"<div>{markdown(part['content'])}</div>"
            case kind if kind == MEDIA and picture is not None:
                yield f"<img src='data:image/png;base64,{base64.b64encode(picture).decode()}'>"
            case kind if kind == SELECT:
                yield f"<div class=menu>{html.escape(part['placeholder'])}<span>⌄</span></div>"
            case kind if kind == BUTTON:
                style = {1: "primary", 4: "danger"}.get(part["style"], "")
                arrow = " ↗" if part["style"] == 5 else ""
                yield f"<button class={style!r}>{html.escape(part['label'])}{arrow}</button>"


def markdown(text: str) -> str:
    """The few marks that our messages use."""
    blocks = re.split(r"```\w*\n?(.*?)```\n?", text, flags=re.DOTALL)
    return "".join(
        f"<pre>{html.escape(block)}</pre>" if place % 2 else prose(block)
        for place, block in enumerate(blocks)
    )


def prose(text: str) -> str:
    lines = []
    for line in text.split("\n"):
        small = line.startswith("-# ")
        shown = html.escape(line.removeprefix("-# "), quote=False)
        shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", shown)
        shown = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", shown)
        shown = re.sub(
            r"(?<!\\)\[([^\]]+)\]\(&lt;?(https?://[^)&]+?)(?:&gt;)?\)", r"<a>\1</a>", shown
        )
        shown = re.sub(r"\\([^\w\s])", r"\1", shown)
        lines.append(f"<small>{shown}</small>" if small else f"{shown}<br>")
    return re.sub(r"(<br>)+$", "", "".join(lines))


def photograph(page: str, target: Path, width: int) -> None:
    """``page`` as a PNG cut to its content."""
    from PIL import Image, ImageChops

    with tempfile.TemporaryDirectory() as folder:
        source, raw = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(page, encoding="utf-8")
        subprocess.run(
            [*CHROMIUM, f"--user-data-dir={folder}/profile", f"--screenshot={raw}",
             f"--window-size={width},1600", source.as_uri()],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        picture = Image.open(raw).convert("RGB")
        empty = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
        box = ImageChops.difference(picture, empty).getbbox() or (0, 0, *picture.size)
        margin = 16 * 2
        cut = (0, 0, picture.width, min(box[3] + margin, picture.height))
        picture.crop(cut).quantize(128).save(target, optimize=True)


def main() -> None:
    """Draw every example at every width."""
    PICTURES.mkdir(exist_ok=True)
    chart = utilization_over_demand()
    for theme in THEMES:
        (PICTURES / f"utilization-{theme}.png").write_bytes(drawing.draw(chart, theme))
    for name, inputs in EXAMPLES.items():
        page = page_of(answer(*asyncio.run(outcome_of(name.partition("-")[0], inputs))))
        for suffix, width in WIDTHS.items():
            photograph(page, PICTURES / f"{name}{suffix}.png", width)
    photograph(page_of(announcement()), PICTURES / "announcement.png", WIDTHS[""])
    photograph(page_with(asyncio.run(config_show())), PICTURES / "config-show.png", WIDTHS[""])
    posted = asyncio.run(outcome_of("throughput", EXAMPLES["throughput"]))
    photograph(discussion_page(*posted), PICTURES / "discussion.png", DISCUSSION_WIDTH)


if __name__ == "__main__":
    main()
