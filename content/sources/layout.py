"""Which files of a site's repository are articles."""

from __future__ import annotations

from collections.abc import Collection, Iterable

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
UNSHOWN = "Its name holds signs that cannot be shown."
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


def shown(path: str) -> str:
    """``path`` as a report can name it: on one line, every sign of it to be seen."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in path)


def articles_among(paths: Iterable[str]) -> list[str]:
    """Those of ``paths`` (relative to the folder of articles) that are articles, sorted.

    A folder with an index page is one article, so what else lies in it belongs to that; the
    index page of the folder of articles itself is the list of them. Plain strings: with pathlib
    it was half of the time of a look at 5,000 files.
    """
    files = sorted(path for path in paths if _may_be(path))
    bundles = {_folder(path) for path in files if _stem(path) == "index"} - {""}
    return [path for path in files if _is_article(path, bundles)]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


def _may_be(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return (
        name.lower().endswith(ENDINGS)
        and not name.startswith(("_", "."))
        and _stem(name).lower() not in NO_ARTICLES
        and (not folder or all(enters(part) for part in folder.split("/")))
    )


def _is_article(path: str, bundles: set[str]) -> bool:
    folder = _folder(path)
    if _stem(path) == "index":
        if folder not in bundles:
            return False
        folder = _folder(folder)
    while folder:
        if folder in bundles:
            return False
        folder = _folder(folder)
    return True
