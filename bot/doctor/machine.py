"""The parts on this machine: settings, directory, database, catalogues, packages."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlite_utils import Database

from bot.doctor.finding import Finding
from bot.lock import check_writable, is_held
from bot.store import FILE_NAME, StoreError, connect, known_steps, refuse_newer
from config.settings import Settings, default_values
from content.errors import CatalogueError
from content.validate import validate_catalogues

FREE_NEEDED_GB = 0.5  # room for 100,000 answers of 5 kB
QUICK_CHECK_S = 3.0
STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's machine, a few ms


async def examine_settings(settings: Settings) -> list[Finding]:
    """Which settings are given. They are valid, or there would be none to look at."""
    given = sorted(_changed(settings, await asyncio.to_thread(default_values)))
    words = f"Valid. Given: {', '.join(given)}." if given else "Valid. All are at their defaults."
    return [Finding("settings", "ok", words)]


def _changed(settings: Settings, defaults: Mapping[str, object]) -> Iterator[str]:
    """The variables whose value differs from the default: names only, values may be secret."""
    for field, info in type(settings).model_fields.items():
        name, value = str(info.validation_alias), getattr(settings, field)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value or "")
        if text != str(defaults.get(name) or ""):
            yield name


async def examine_data_dir(settings: Settings) -> list[Finding]:
    """Whether it can be written, how much room is left, and who uses it."""
    return [await asyncio.to_thread(_data_dir, settings.data_dir)]


def _data_dir(folder: Path) -> Finding:
    part = "data directory"
    fix = "Give this user the right to write there, or set K2C_DATA_DIR to another directory."
    above = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    if not folder.exists():
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            return Finding(part, "ok", f"{folder} is made at the first start.")
        return Finding(part, "problem", f"{folder} cannot be made in {above}.", fix)
    try:
        check_writable(folder)
        held, pid = is_held(folder)
        free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        return Finding(part, "problem", f"{folder} cannot be written ({error.strerror}).", fix)
    used = f" In use by process {pid}." if held and pid else " In use." if held else ""
    if free_gb < FREE_NEEDED_GB:
        sentence = f"{folder} has {free_gb:.2f} GB left.{used}"
        return Finding(part, "problem", sentence, f"Free {FREE_NEEDED_GB} GB or more.")
    return Finding(part, "ok", f"{folder} is writable, {free_gb:.0f} GB free.{used}")


async def examine_database(settings: Settings) -> list[Finding]:
    """Whether it opens, is whole, and is of a version that this code knows."""
    return [await asyncio.to_thread(_database, settings.data_dir / FILE_NAME)]


def _database(path: Path) -> Finding:
    part = "database"
    if not path.exists():
        return Finding(part, "off", "There is none yet; it is made at the first start.")
    try:
        with contextlib.closing(connect(path, "ro")) as db:
            refuse_newer(db, path)
            verdict = _quick_check(db)
            size_mb = path.stat().st_size / 1e6
    except StoreError as error:
        return Finding(part, "problem", str(error))
    except (sqlite3.Error, OSError) as error:
        fix = f"Move it away and put a backup made with `k2c backup` at {path}."
        return Finding(part, "problem", f"{path} cannot be read: {error}.", fix)
    if verdict not in ("ok", ""):
        fix = f"Stop the bot and put a backup made with `k2c backup` at {path}."
        return Finding(part, "problem", f"{path} is damaged: {verdict}.", fix)
    checked = "whole" if verdict else f"opens, too large to check in {QUICK_CHECK_S:g} s"
    return Finding(part, "ok", f"{size_mb:.1f} MB, {checked}, version {known_steps()[-1]}.")


def _quick_check(db: Database) -> str:
    """SQLite's verdict, or nothing when the time was over."""
    until = time.monotonic() + QUICK_CHECK_S
    db.conn.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_LOOKS)
    try:
        return str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return ""
        raise


async def examine_catalogues(settings: Settings) -> list[Finding]:
    """Whether every row of every catalogue can be read."""
    try:
        await asyncio.to_thread(validate_catalogues)
    except CatalogueError as error:
        return [Finding("catalogues", "problem", str(error), "Correct that cell.")]
    return [Finding("catalogues", "ok", "Every row of every catalogue is valid.")]


async def examine_charts(settings: Settings) -> list[Finding]:
    """Whether the package that draws is there; it is not loaded, which takes a second."""
    version = _version("matplotlib")
    if version is None:
        fix = "Install the project again: make run."
        return [Finding("charts", "problem", "matplotlib is not installed: no pictures.", fix)]
    return [Finding("charts", "ok", f"matplotlib {version}.")]


async def examine_torch(settings: Settings) -> list[Finding]:
    """Whether the worker's main package is there. The bot does without."""
    version = _version("torch")
    if version is None:
        sentence = "Not installed; only the worker needs it."
        fix = "For a worker: pip install 'kernels-to-clusters[worker]'."
        return [Finding("torch", "off", sentence, fix)]
    return [Finding("torch", "ok", f"torch {version}; only the worker uses it.")]


def _version(package: str) -> str | None:
    if importlib.util.find_spec(package) is None:
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(version unknown)"
