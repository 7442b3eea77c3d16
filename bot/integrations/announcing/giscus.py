"""The hidden lines by which the site's comment box (giscus) opens the thread that we made.

With ``data-mapping="pathname"`` and ``data-strict="1"`` giscus looks for the SHA-1 of its search
term anywhere in a Discussion's body (giscus, ADVANCED-USAGE.md "data-strict"). Its term is the
page's path without the leading slash and without a last extension such as .html, or "index" for
the root (giscus, client.ts).
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, urlsplit

_EXTENSION = re.compile(r"\.[A-Za-z0-9_]+$")
_KEPT = "/%:@!$&'()*+,;=~-._|"  # what a browser's location.pathname leaves as it is


def giscus_term(url: str) -> str:
    """What giscus looks for on the page at ``url``."""
    path = quote(urlsplit(url).path, safe=_KEPT)
    return "index" if len(path) < 2 else _EXTENSION.sub("", path[1:])


def giscus_lines(url: str) -> str:
    """One line for the address as given and one for it with or without the last slash: a static
    site answers both, and each is another term.
    """
    path = urlsplit(url).path
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    terms = [giscus_term(url)]
    if len(path) > 1 and not _EXTENSION.search(path):
        terms.append(giscus_term(other))
    return "\n".join(
        f"<!-- sha1: {hashlib.sha1(term.encode(), usedforsecurity=False).hexdigest()} -->"
        for term in terms
    )
