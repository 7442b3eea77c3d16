"""An article's web address: where it stands, and what names it for good."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote, unquote, urljoin, urlsplit

MAX_ADDRESS = 500
BLOG = "/blog/"
PORTS = {"http": 80, "https": 443}
SAFE = "/:@!$&'()*+,;=~-._%"


def web_address(text: str, base: str) -> str:
    """``text``, absolute or relative to ``base``, as an http(s) address. Raises ``ValueError``."""
    joined = urljoin(base, "".join(text.split()))
    parts = urlsplit(joined)  # itself raises ValueError for brackets that are no address
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        raise ValueError(f"{text[:80]!r} is no web address such as https://example.org/blog/x.")
    if parts.port == 0:  # asking raises ValueError for one that is no number or too large
        raise ValueError(f"{text[:80]!r} has a port that there is not.")
    if len(joined) > MAX_ADDRESS:
        raise ValueError(f"The address is longer than {MAX_ADDRESS} characters.")
    path = quote(parts.path, safe=SAFE)
    return parts._replace(path=path, query=quote(parts.query, safe=SAFE + "?")).geturl()


def blog_address(slug: str, site_url: str) -> str:
    """``<site>/blog/<slug>``. Raises ``ValueError`` for a slug that leads elsewhere."""
    clean = slug.strip().strip("/")
    if not clean or ".." in unquote(clean).split("/") or any(sign in clean for sign in "?#\\"):
        raise ValueError(f"{slug[:80]!r} cannot be the end of an address.")
    return web_address(f"{site_url.rstrip('/')}{BLOG}{quote(clean, safe=SAFE)}", site_url)


@lru_cache(maxsize=32_768)  # asked for every article at every look
def canonical(address: str) -> str:
    """What stays the same of an address: no query, fragment, default port or last slash.

    A page that only its query tells apart (``/?p=12``) keeps that; http is the same as https.
    """
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    try:
        port = parts.port
    except ValueError:
        port = None
    default = port is None or port == PORTS.get(parts.scheme)
    place = host if default else f"{host}:{port}"
    path = parts.path.rstrip("/")
    keeps_query = path in ("", "/index.php") and parts.query
    return f"https://{place}{path}" + (f"?{parts.query}" if keeps_query else "")
