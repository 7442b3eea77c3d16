"""What the chart process draws, looked at as pixels: nothing cut off, nothing left out."""

from __future__ import annotations

import io
import math

import pytest
from PIL import Image

from bot.render.drawing import draw, shortened
from bot.render.numbers import short_number
from bot.render.palette import PALETTES, drawable
from bot.view import Bar, Chart, Mark, Reference, Series, Theme

pytestmark = pytest.mark.slow  # matplotlib: a second to load

MAX_BYTES = 150_000
THEMES: tuple[Theme, ...] = ("dark", "light")
NEAR = 60  # how far a smoothed, quantized colour may be from its own


def picture(chart: Chart, theme: Theme = "dark") -> Image.Image:
    made = draw(chart, theme)
    assert len(made) < MAX_BYTES
    image = Image.open(io.BytesIO(made)).convert("RGB")
    assert image.size == (1200, 675)
    return image


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def columns(image: Image.Image, colour: str, near: float = NEAR) -> list[int]:
    """The x of every pixel of about that colour."""
    wanted = rgb(colour)
    pixels = image.load()
    assert pixels is not None
    return [
        x
        for x in range(image.width)
        for y in range(image.height)
        if math.dist(pixels[x, y], wanted) < near  # type: ignore[arg-type]
    ]


def border(image: Image.Image) -> set[tuple[int, ...]]:
    """The colours of the outermost pixels."""
    w, h = image.size
    box = [(x, y) for x in range(w) for y in (0, 1, h - 2, h - 1)]
    box += [(x, y) for x in (0, 1, w - 2, w - 1) for y in range(h)]
    found: set[tuple[int, ...]] = set()
    for place in box:
        pixel = image.getpixel(place)
        assert isinstance(pixel, tuple)
        found.add(pixel)
    return found


def staircase(names: int = 3, **more: object) -> Chart:
    xs = tuple(10.0 ** (3 + n / 10) for n in range(40))
    series = tuple(
        Series(
            f"a provider with a long name {n}",
            xs,
            tuple((50.0 + x * 0.02) * 1.6**n for x in xs),
            low=tuple(x * 0.015 + 20 for x in xs) if n == 1 else (),
            high=tuple(x * 0.03 + 300 for x in xs) if n == 1 else (),
            dots=False,
            dashed=n == 2,
        )
        for n in range(names)
    )
    return Chart(
        "monthly cost of $1 and $2", "requests per day", "USD a month", series, alt="",
        log_x=True, log_y=True, y_prefix="$",
        references=(Reference("x", 20_000.0, "today 20k"), Reference("x", 31_000.0, "even 31k")),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def bars(names: list[str]) -> Chart:
    made = tuple(
        Bar(name, 1000.0 * 1.5**n, f"${1000 * 1.5**n:,.0f}", n % 2, 900.0, 2000.0 * 1.5**n)
        for n, name in enumerate(names)
    )
    return Chart("bars", "USD a month", "", (), alt="", bars=made, y_prefix="$")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "chart",
    [
        staircase(),
        staircase(6, marks=(Mark(1e6, 2e4, "a mark with many words at the right", 1e4, 9e4),)),
        bars([f"some provider of models {n}" for n in range(10)]),
        Chart("t", "x", "y", (Series("s", (0.0, 1e-9), (1e-9, 3e12), ("", "4096 in flight")),),
              alt=""),
        Chart("t", "x", "y", (Series("s", (5.0,), (7.0,), ("one",)),), alt="", log_x=True),
        Chart("hours", "hour", "replicas", (Series("s", (0.0, 1.0, 2.0), (1.0, 2.0, 2.0),
              steps=True, fill=True, dots=False),), alt="", references=(Reference("y", 1.5, "D"),)),
    ],
    ids=["cost", "six", "bars", "extremes", "one point", "hours"],
)  # fmt: skip
def test_nothing_reaches_the_edge_of_the_picture(chart: Chart, theme: Theme) -> None:
    (colour,) = border(picture(chart, theme))
    assert math.dist(colour, rgb(PALETTES[theme].background)) < NEAR / 4


@pytest.mark.parametrize("theme", THEMES)
def test_all_six_lines_are_there_from_end_to_end(theme: Theme) -> None:
    chart = staircase(6)
    drawn = picture(chart, theme)
    for colour in PALETTES[theme].lines:
        found = columns(drawn, colour)
        assert max(found) - min(found) > 800


def test_every_line_of_a_palette_stands_out_from_its_background() -> None:
    for palette in PALETTES.values():
        for colour in palette.lines:
            assert contrast(colour, palette.background) >= 3  # WCAG 2.2, 1.4.11


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2."""
    lights = sorted((luminance(one), luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    parts = [c / 255 for c in rgb(colour)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_band_colours_the_room_between_its_ends() -> None:
    line = Series("s", (0.0, 1.0), (1.0, 1.0), dots=False)
    band = Series("s", (0.0, 1.0), (1.0, 1.0), low=(0.5, 0.5), high=(1.5, 1.5), dots=False)
    plain, wide = (picture(Chart("", "x", "y", (s,), alt="")) for s in (line, band))
    background = PALETTES["dark"].background
    left = [len(columns(image, background, near=8)) for image in (wide, plain)]
    assert left[0] < left[1] - 100_000


def test_steps_hold_their_value_until_the_next() -> None:
    straight = Series("s", (0.0, 1.0), (0.0, 1.0), dots=False)
    stepped = Series("s", (0.0, 1.0), (0.0, 1.0), dots=False, steps=True)
    one, two = (picture(Chart("", "x", "y", (s,), alt="")) for s in (straight, stepped))
    assert one.tobytes() != two.tobytes()


@pytest.mark.parametrize(
    "words", ["通义千问 🤖 价格", "نموذج 模型", "a\ncut\x00line\u202e", "$x$ $y"]
)
def test_names_of_strangers_are_drawn_without_a_warning(words: str) -> None:
    series = (Series(words, (1.0, 2.0), (1.0, 2.0), (words, words)), Series("b", (1.0,), (1.0,)))
    mark = Mark(1.0, 1.0, words)
    picture(Chart(words, words, words, series, alt="", marks=(mark,)))
    picture(bars([words]))


def test_what_the_font_lacks_is_one_sign_and_the_rest_stays() -> None:
    assert drawable("通义 千问-7B µ é") == "\ufffd-7B µ é"
    assert drawable("plain $5") == "plain $5"
    assert shortened("x" * 100, 10) == "x" * 9 + "…"


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError):
        draw(Chart("t", "x", "y", (Series("s", (1.0,), (1.0, 2.0)),), alt=""))


def test_ticks_are_short() -> None:
    made = [short_number(v) for v in (0.5, 20, 1500, 40_000, 2e6, 3e12)]
    assert made == ["0.5", "20", "1.5k", "40k", "2M", "3T"]
