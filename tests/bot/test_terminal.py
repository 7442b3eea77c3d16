"""The terminal door: every name of an option works, what is wrong is one sentence and code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.commands import load_command
from bot.terminal import run_tool
from compute.throughput import CALCULATOR
from content import tables
from content.gpus import load_gpus

COMMAND = load_command("throughput")
ASKED = ["--gpu", "h100", "--model", "meta-llama/Llama-3.1-8B", "--json"]


def result(capsys: pytest.CaptureFixture[str], *flags: str) -> object:
    assert run_tool(COMMAND, [*ASKED, *flags]) == 0
    return json.loads(capsys.readouterr().out)


def test_short_names_and_field_names_mean_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    short = result(capsys, "--gpus", "2", "--batch=4", "--dtype", "fp8", "--kv-dtype", "fp8")
    full = result(
        capsys, "--n_gpus", "2", "--concurrency=4", "--weight_dtype", "fp8", "--kv_dtype=fp8"
    )
    assert short == full


def test_a_value_with_underscores_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(COMMAND, [*ASKED, "--dtype=q4_k_m"]) == 0
    assert "q4_k_m" in capsys.readouterr().out


def test_a_refusal_is_a_sentence_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(COMMAND, ["--gpu", "h1000", "--model", "x/y"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("k2c: I don't know that GPU.\n")
    assert "Closest: H100 SXM" in said.err


def test_a_broken_catalogue_is_a_sentence_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (tables.CATALOGUE / "gpus.csv").read_text(encoding="utf-8").splitlines()
    rows[1] = rows[1].replace(rows[1].split(",")[4], "many", 1)
    (tmp_path / "gpus.csv").write_text("\n".join(rows), encoding="utf-8")
    monkeypatch.setitem(CALCULATOR.library.__dict__, "gpus", None)
    monkeypatch.delitem(CALCULATOR.library.__dict__, "gpus")
    monkeypatch.setattr(
        "compute.throughput.library.load_gpus", lambda: load_gpus(tmp_path / "gpus.csv")
    )
    assert run_tool(COMMAND, ASKED) == 2
    assert capsys.readouterr().err.startswith("k2c: gpus.csv, row 2, column ")
