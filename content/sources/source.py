"""The entries of K2C_ARTICLES: which kind each is, and the directory that a path means."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

OURS = "content/articles"  # comes with the package

Kind = Literal["directory", "feed", "repository"]


def kind_of(source: str) -> Kind:
    """What ``source`` names."""
    if source.startswith("github:"):
        return "repository"
    return "feed" if source.startswith(("http://", "https://")) else "directory"


def directory_of(source: str) -> Path:
    """The directory, from the working directory; our own also from where we are installed."""
    path = Path(source).expanduser()
    packaged = Path(__file__).parents[1] / "articles"
    return packaged if source == OURS and not path.is_dir() else path
