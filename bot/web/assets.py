"""Templates and static files, read once at start: no request ever waits for the disk."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import DictLoader, Environment, StrictUndefined

from content.site import Site

HERE = Path(__file__).parent
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """One static file, plain and compressed."""

    media_type: str
    content: bytes
    zipped: bytes


class Templates:
    """Compiled templates, and static files under an address that changes with their content."""

    def __init__(self, site: Site) -> None:
        self.assets = _read_assets(HERE / "static")
        digest = hashlib.sha256()
        for name, asset in sorted(self.assets.items()):
            digest.update(name.encode() + b"\0" + asset.content)
        self.version = digest.hexdigest()[:12]
        sources = {
            path.name: path.read_text(encoding="utf-8")
            for path in (HERE / "templates").glob("*.html")
        }
        self._env = Environment(
            loader=DictLoader(sources),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._env.globals.update(site=site, asset=self._address)
        self._compiled = {name: self._env.get_template(name) for name in sources}

    def page(self, name: str, **values: Any) -> str:
        """The page of template ``name``."""
        return self._compiled[name].render(values)

    def _address(self, name: str) -> str:
        if name not in self.assets:
            raise LookupError(f"there is no static file {name}")
        return f"/static/{self.version}/{name}"


TEMPLATES = web.AppKey("templates", Templates)


async def static_file(request: web.Request) -> web.Response:
    """A static file; its address holds its version, so that it may be kept for ever."""
    templates = request.app[TEMPLATES]
    asset = templates.assets.get(request.match_info["name"])
    if asset is None or request.match_info["version"] != templates.version:
        raise web.HTTPNotFound
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    body = asset.content
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = asset.zipped
    return web.Response(body=body, content_type=asset.media_type, charset="utf-8", headers=headers)


def _read_assets(folder: Path) -> Mapping[str, Asset]:
    files = sorted(path for path in folder.iterdir() if path.suffix in MEDIA_TYPES)
    return {path.name: _asset(path) for path in files}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(MEDIA_TYPES[path.suffix], content, gzip.compress(content, mtime=0))
