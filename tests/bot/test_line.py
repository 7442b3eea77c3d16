from __future__ import annotations

import pytest

from bot.line import command_line, parse_options
from compute.tool import Refused
from tests.sample import COMMAND


def test_a_value_runs_to_the_next_known_option() -> None:
    assert parse_options(COMMAND, "layers:32 model: my own, the 2nd: yes  input:7") == {
        "layers": "32",
        "model": "my own, the 2nd: yes",
        "input": "7",
    }


def test_field_names_and_capitals_are_understood() -> None:
    assert parse_options(COMMAND, "N_LAYERS:32 isl:4") == {"layers": "32", "input": "4"}


def test_an_option_inside_a_word_is_text() -> None:
    assert parse_options(COMMAND, "layers:1 model:xinput:7") == {
        "layers": "1",
        "model": "xinput:7",
    }


@pytest.mark.parametrize("line", ["hello layers:3", "layers:1 layers:2", "x" * 9000])
def test_words_nobody_asked_for_are_refused(line: str) -> None:
    with pytest.raises(Refused):
        parse_options(COMMAND, line)


def test_the_line_of_inputs_reads_back_as_the_same_inputs() -> None:
    inputs = {"layers": "32", "model": "a b\nc", "isl": "9"}
    line = command_line(COMMAND, inputs)
    assert line == "/kv layers:32 input:9 model:a b c"
    assert parse_options(COMMAND, line.removeprefix("/kv ")) == {
        "layers": "32",
        "input": "9",
        "model": "a b c",
    }


def test_nothing_given_is_the_bare_command() -> None:
    assert command_line(COMMAND, {}) == "/kv"
    assert parse_options(COMMAND, "") == {}


def test_whole_numbers_of_a_program_are_typed_as_whole_numbers() -> None:
    assert command_line(COMMAND, {"layers": 32.0, "isl": 5e6}) == "/kv layers:32 input:5000000"
