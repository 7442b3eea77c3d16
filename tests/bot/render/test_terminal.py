from __future__ import annotations

import io

from rich.console import Console

from bot.render.terminal import print_view
from bot.view import (
    Anchor,
    Bar,
    Bold,
    Button,
    Chart,
    Code,
    Facts,
    File,
    Heading,
    Link,
    Note,
    Series,
    Table,
    Text,
    View,
)


def printed(*blocks: Heading | Text | Note | Facts | Table | Chart | File | Link | Button) -> str:
    target = io.StringIO()
    print_view(Console(file=target, width=60, highlight=False), View(blocks))
    return target.getvalue()


def test_every_block_of_text_is_printed_in_order() -> None:
    text = printed(
        Heading((Bold("1,480"), " tok/s")),
        Facts((("weights", "68.1 GiB"),)),
        Table(("GPU", "tok/s"), (("H100", "46"),)),
        Note(("from ", Anchor("here", "https://example.org"))),
        File("x.json", "application/json", b"{}"),
    )
    order = ["1,480 tok/s", "weights", "68.1 GiB", "GPU", "H100", "46", "from here", "x.json"]
    places = [text.index(word) for word in order]
    assert places == sorted(places)


def test_markup_and_escape_sequences_of_strangers_stay_text() -> None:
    text = printed(Text(("[red]x[/red] \x1b[2J\x07", Code("[b]"))))
    assert "[red]x[/red]" in text and "[b]" in text
    assert "\x1b" not in text and "\x07" not in text


def test_a_chart_is_bars_in_proportion() -> None:
    text = printed(Chart("t", "users", "tok/s", (Series("s", (1.0, 2.0), (50.0, 100.0)),), alt=""))
    lines = [line for line in text.splitlines() if "█" in line]
    assert [line.count("█") for line in lines] == [15, 30]


def test_buttons_have_no_place_in_a_terminal() -> None:
    assert printed(Button("Share", "share"), Link("Page", "/r/x")).strip() == ""


def test_a_long_line_is_a_few_points_from_its_first_to_its_last() -> None:
    xs = tuple(float(n) for n in range(1, 501))
    text = printed(Chart("t", "x", "y", (Series("s", xs, xs),), alt="", y_prefix="$"))
    lines = [line for line in text.splitlines() if "$" in line]
    assert len(lines) == 7 and "$1" in lines[0] and "$500" in lines[-1]


def test_on_a_logarithmic_axis_the_smallest_value_still_has_a_bar() -> None:
    line = Series("s", (1.0, 2.0, 3.0), (1.0, 1e3, 1e6))
    text = printed(Chart("t", "x", "y", (line,), alt="", log_y=True))
    counts = [line.count("█") for line in text.splitlines() if "█" in line]
    assert counts[0] >= 1 and counts[2] == 30 and 12 <= counts[1] <= 18


def test_bars_are_printed_with_their_names_and_words() -> None:
    bars = (Bar("A100", 50.0, "$50"), Bar("H100", 100.0, "$100"))
    text = printed(Chart("t", "USD", "", (), alt="", bars=bars))
    lines = [line for line in text.splitlines() if "█" in line]
    assert "A100" in lines[0] and lines[0].count("█") == 15 and "$100" in lines[1]
