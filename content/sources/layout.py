"""Which files of a site's repository are articles."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

ENDINGS = (".md", ".mdx", ".markdown")
# Where articles lie when the root of a repository is named; the first that exists counts.
POSTS = (
    "content/articles",
    "src/content/posts",
    "src/content/articles",
    "src/content/blog",
    "content/posts",
    "content/blog",
    "content/post",
    "_posts",
    "docs/blog/posts",
    "docs/posts",
    "blog/posts",
    "blog",
    "posts",
    "articles",
)
NOT_ENTERED = frozenset(("node_modules", "vendor", "dist", "build", "target", "venv", "public"))
# Lists of a generator's pages and a repository's own papers, in any case.
NO_ARTICLES = frozenset(
    ("readme", "contributing", "changelog", "license", "code_of_conduct", "security", "agents")
)


def posts_folder(folders: Collection[str]) -> str:
    """The folder of articles among ``folders`` (relative, with /), "" for the root itself."""
    return next((place for place in POSTS if place in folders), "")


def enters(folder: str) -> bool:
    """Whether a folder of that name may hold articles: not ``.git``, ``_drafts``, packages."""
    return not folder.startswith((".", "_")) and folder not in NOT_ENTERED


def articles_among(paths: Iterable[str]) -> list[str]:
    """Those of ``paths`` (relative to the folder of articles) that are articles, sorted.

    A folder with an index page is one article, so what else lies in it belongs to that; the
    index page of the folder of articles itself is the list of them.
    """
    files = sorted(path for path in paths if _may_be(PurePosixPath(path)))
    bundles = {str(p.parent) for p in map(PurePosixPath, files) if p.stem == "index"} - {"."}
    return [path for path in files if _is_article(PurePosixPath(path), bundles)]


def _may_be(path: PurePosixPath) -> bool:
    return (
        path.suffix.lower() in ENDINGS
        and not path.name.startswith(("_", "."))
        and path.stem.lower() not in NO_ARTICLES
        and all(enters(folder) for folder in path.parts[:-1])
    )


def _is_article(path: PurePosixPath, bundles: set[str]) -> bool:
    above = [str(parent) for parent in path.parents]
    if path.stem == "index":
        return above[0] in bundles and not bundles.intersection(above[1:])
    return not bundles.intersection(above)
