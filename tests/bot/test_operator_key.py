"""Only who can read the bot's own files passes for its operator."""

from __future__ import annotations

from pathlib import Path

from bot.operator_key import FILE_NAME, is_key, make_key, read_key


def test_each_start_has_a_key_of_its_own_that_no_other_user_can_read(tmp_path: Path) -> None:
    first, second = make_key(tmp_path), make_key(tmp_path)
    assert first != second and read_key(tmp_path) == second
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_nothing_passes_for_a_key_that_there_is_not(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    assert is_key(key, key)
    for given in ("", "x", key + "x", "\udce9"):
        assert not is_key(given, key)
    assert not is_key("", "") and read_key(tmp_path / "nowhere") == ""
