"""Models are found by id or short name; a broken line names file, row and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from content import names
from content.errors import CatalogueError
from content.models import ModelCatalogue, load_models


@pytest.fixture(scope="module")
def models() -> ModelCatalogue:
    return load_models()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("META-LLAMA/llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("Llama-3.1-70B", "meta-llama/Llama-3.1-70B"),
        ("llama 3.3 70b", "meta-llama/Llama-3.3-70B-Instruct"),
        ("deepseek-v3", "deepseek-ai/DeepSeek-V3"),
        ("mixtral-8x7b", "mistralai/Mixtral-8x7B-v0.1"),
        ("llama-2-7b", "meta-llama/Llama-2-7b-hf"),
        ("gpt-oss-120b", "openai/gpt-oss-120b"),
    ],
)
def test_usual_names_find_their_model(models: ModelCatalogue, typed: str, found: str) -> None:
    model = models.find(typed)
    assert model is not None
    assert model.id == found


def test_another_owner_is_not_the_same_model(models: ModelCatalogue) -> None:
    assert models.find("someone/Llama-3.1-8B") is None


def test_a_misspelt_name_is_near_the_right_one(models: ModelCatalogue) -> None:
    assert models.find("lama-3.1-8b") is None
    assert models.nearest("lama-3.1-8b")[0].id == "meta-llama/Llama-3.1-8B"


def test_completion_finds_words_in_any_order_and_keeps_discords_limits(
    models: ModelCatalogue,
) -> None:
    values = [value for _, value in models.suggest("70b llama 3.1")]
    assert "meta-llama/Llama-3.1-70B" in values
    for text in ("", "llama", "q", "x" * 6000):
        found = models.suggest(text)
        assert len(found) <= 25
        assert all(0 < len(label) <= 100 and 0 < len(value) <= 100 for label, value in found)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("{nope", "-"),
        ("[1]", "-"),
        ('{"source": "x"}', "id"),
        ('{"id": "a/b", "source": ""}', "source"),
        ('{"id": "a/b", "source": "x", "hidden_size": 0, "vocab_size": 5}', "hidden_size"),
        ('{"id": "a/b", "source": "x", "hidden_size": 8}', "vocab_size"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, column: str) -> None:
    good = '{"id": "a/good", "source": "x", "hidden_size": 8, "vocab_size": 8}'
    path = tmp_path / "models.jsonl"
    path.write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(CatalogueError) as raised:
        load_models(path)
    assert (raised.value.file, raised.value.row, raised.value.column) == ("models.jsonl", 2, column)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("llama 4 scout", "meta-llama/Llama-4-Scout-17B-16E-Instruct"),
        ("qwen3 235b", "Qwen/Qwen3-235B-A22B"),
        ("mistral large", "mistralai/Mistral-Large-Instruct-2407"),
        ("deepseek v3.1", "nvidia/DeepSeek-V3.1-NVFP4"),
        ("https://huggingface.co/meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
    ],
)
def test_the_closest_model_shares_the_words_that_were_typed(
    models: ModelCatalogue, typed: str, first: str
) -> None:
    assert models.nearest(typed)[0].id == first


def test_few_names_are_compared_letter_by_letter(
    models: ModelCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def closeness(_: object, item: names.Entry) -> float:
        compared.append(item.value)
        return 0.0

    monkeypatch.setattr(names, "_closeness", closeness)
    models.nearest("x" * 60 + "llama")
    assert len(compared) <= names.COMPARED  # all 276 held the event loop for 37 ms


def test_completion_of_nothing_begins_with_models_that_people_know(
    models: ModelCatalogue,
) -> None:
    first = [value for _, value in models.suggest("")][:10]
    assert {"meta-llama/Llama-3.1-8B", "deepseek-ai/DeepSeek-R1", "openai/gpt-oss-120b"} <= {*first}
