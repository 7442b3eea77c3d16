"""The files of a directory of articles: which there are, and their heads, safely."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from content.sources.layout import (
    ENDINGS,
    POSTS,
    UNSHOWN,
    articles_among,
    enters,
    posts_folder,
    shown,
)

MAX_FILES = 50_000
MAX_DEPTH = 12
MAX_FILE = 4 * 2**20  # bytes; the longest article of a site is a tenth of that
NO_STAMP = (0, 0, 0)  # of a file that vanished; no file has it
HEAD = 65_536  # bytes read of each: front matter lies at the head


class Refusal(Exception):
    """Why a file or directory is not read, as a sentence."""


class Vanished(Exception):
    """A file was listed and is not there any more; the next look says whether it comes back."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as the directory has it now; another stamp means that it may have changed."""

    where: str  # relative to the directory, with /
    path: str
    stamp: tuple[int, int, int]  # mtime in ns, bytes, inode


@dataclass(frozen=True, slots=True)
class Listing:
    """The article files, and (where, sentence) of what was refused."""

    files: tuple[Seen, ...]
    refused: tuple[tuple[str, str], ...]


def list_articles(directory: Path) -> Listing:
    """What is there: the directory itself, or the folder of articles of a site's repository.

    Raises ``Refusal`` where it cannot be read.
    """
    try:
        top = directory.resolve(strict=True)
        if not top.is_dir():
            raise Refusal(f"{directory} is no directory.")
        folder = posts_folder([place for place in POSTS if (top / place).is_dir()])
        root = (top / folder).resolve(strict=True)
        if not root.is_relative_to(top):
            raise Refusal(f"{directory}/{folder} leads out of {directory}.")
        refused: list[tuple[str, str]] = []
        found = {seen.where: seen for seen in _walk(root, root, "", 0, refused)}
    except OSError as error:
        raise Refusal(f"{directory} cannot be read: {error.strerror}.") from None
    if len(found) > MAX_FILES:
        raise Refusal(f"{directory} has more than {MAX_FILES:,} Markdown files.")
    wanted = articles_among([*found, *(where for where, _ in refused)])
    inside = f"{folder}/" if folder else ""
    return Listing(
        tuple(replace(found[w], where=inside + w) for w in wanted if w in found),
        tuple((inside + where, sentence) for where, sentence in refused if where in wanted),
    )


def _walk(
    root: Path, folder: Path | str, inside: str, depth: int, refused: list[tuple[str, str]]
) -> Iterator[Seen]:
    with os.scandir(folder) as entries:
        for one in sorted(entries, key=lambda entry: entry.name):
            where = f"{inside}{one.name}"
            if not one.name.isprintable():  # it would break the line it is reported in, or no file
                refused.append((shown(where), UNSHOWN))
                continue
            if one.is_dir(follow_symlinks=False):
                if enters(one.name) and depth < MAX_DEPTH:
                    yield from _walk(root, one.path, f"{where}/", depth + 1, refused)
            elif one.name.lower().endswith(ENDINGS):
                try:
                    yield _seen(root, one, where)
                except Refusal as error:
                    refused.append((where, str(error)))
                except FileNotFoundError:  # somebody checks out another version just now
                    yield Seen(where, one.path, NO_STAMP)


def _seen(root: Path, one: os.DirEntry[str], where: str) -> Seen:
    """The file, a link followed if it stays in the tree. Raises ``Refusal``."""
    path = one.path
    if one.is_symlink():
        try:
            target = Path(path).resolve(strict=True)
        except (OSError, RuntimeError):
            raise Refusal("The link leads nowhere.") from None
        if not target.is_relative_to(root):
            raise Refusal("The link leads out of the directory, so it is not followed.")
        path = str(target)
    status = os.stat(path, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise Refusal("It is no regular file.")
    if status.st_size > MAX_FILE:
        raise Refusal(f"It has {status.st_size:,} bytes; at most {MAX_FILE:,} are read.")
    return Seen(where, path, (status.st_mtime_ns, status.st_size, status.st_ino))


def read_head(path: str) -> bytes:
    """The first 64 KiB, cut at a line. Raises ``Refusal`` and ``Vanished``."""
    try:
        # Another file may stand there by now: no link is followed, no pipe waited for.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise Vanished(path) from None
    except OSError as error:
        raise Refusal(f"It cannot be read: {error.strerror}.") from None
    return head if len(head) < HEAD else head[: head.rfind(b"\n") + 1] or head
