"""The REST routes PyGithub calls: contents, git trees and blobs, branches, labels, who is who."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.fakes.github.calls import Call, Violation
from tests.fakes.github.errors import Json, RestError
from tests.fakes.github.files import below, blob_sha, tree_entries, tree_sha
from tests.fakes.github.world import label_id

if TYPE_CHECKING:
    from tests.fakes.github.server import FakeGitHub

MAX_INLINE_BYTES = 2**20  # larger files come without content, only raw
RAW = ("application/vnd.github.raw", "application/vnd.github.v3.raw")


@dataclass
class Ask:
    """One REST request: ``base`` is the address all urls in the answer start with."""

    github: FakeGitHub
    call: Call
    params: dict[str, str]
    query: dict[str, str]
    base: str
    accept: str

    @property
    def repo(self) -> str:
        """The repository's address in the API."""
        return f"{self.base}/repos/{self.github.repository}"

    @property
    def raw(self) -> bool:
        """Whether the bytes themselves are wanted."""
        return any(kind in self.accept for kind in RAW) or ".raw+json" in self.accept


Found = tuple[int, Any]
Handler = Callable[[Ask], Found]


def _branch(ask: Ask, ref: str | None) -> str:
    found = ask.github.store.resolve(ref or ask.github.default_branch)
    if found is None:
        raise RestError(404, f"No commit found for the ref {ref}")
    return found


def _need_write(ask: Ask) -> None:
    if ask.github.archived:
        raise RestError(403, "Repository was archived so is read-only.")
    if ask.github.permissions["contents"] != "write":
        who = "integration" if ask.call.by_app else "personal access token"
        raise RestError(403, f"Resource not accessible by {who}")


def _file(ask: Ask, branch: str, path: str, content: bytes) -> Json:
    small = len(content) <= MAX_INLINE_BYTES
    github = ask.github
    raw = f"{github.api_base}/raw/{github.repository}/{branch}/{path}"
    return {
        "name": path.rsplit("/", 1)[-1], "path": path, "sha": blob_sha(content), "type": "file",
        "size": len(content), "encoding": "base64" if small else "none",
        "content": base64.encodebytes(content).decode() if small else "",
        "url": f"{ask.repo}/contents/{path}?ref={branch}", "download_url": raw,
        "html_url": f"{github.html_url}/blob/{branch}/{path}",
        "git_url": f"{ask.repo}/git/blobs/{blob_sha(content)}",
    }  # fmt: skip


def get_contents(ask: Ask) -> Found:
    """Return a file, or a folder's list."""
    branch = _branch(ask, ask.query.get("ref"))
    files, path = ask.github.branches[branch], ask.params["path"].strip("/")
    if path in files:
        found = files[path] if ask.raw else _file(ask, branch, path, files[path])
        return 200, found
    inside = below(files, path)
    if not inside:
        raise RestError(404, "Not Found")
    start = path + "/" if path else ""
    listed = []
    for entry in tree_entries(inside, recursive=False):
        full = start + entry["path"]
        kind = "dir" if entry["type"] == "tree" else "file"
        item = _file(ask, branch, full, files.get(full, b"")) | {"type": kind, "sha": entry["sha"]}
        listed.append({k: v for k, v in item.items() if k not in ("content", "encoding")})
    return 200, listed


def put_contents(ask: Ask) -> Found:
    """Create or update a file; an update must name the blob it replaces."""
    _need_write(ask)
    body, path = ask.call.body or {}, ask.params["path"].strip("/")
    branch = body.get("branch") or ask.github.default_branch
    if branch not in ask.github.branches:
        raise RestError(404, f"Branch {branch} not found")
    old = ask.github.branches[branch].get(path)
    _check_sha(path, old, body.get("sha"))
    try:
        content = base64.b64decode(body["content"], validate=False)
    except (KeyError, binascii.Error):
        raise RestError(422, "content is not valid Base64") from None
    commit = ask.github.store.write(branch, path, content, body["message"])
    ask.call.applied = True
    stored = {k: v for k, v in _file(ask, branch, path, content).items()
              if k not in ("content", "encoding")}  # fmt: skip
    made = {"sha": commit.sha, "message": commit.message, "url": f"{ask.repo}/commits/{commit.sha}"}
    return 201 if old is None else 200, {"content": stored, "commit": made}


def delete_contents(ask: Ask) -> Found:
    """Take a file away."""
    _need_write(ask)
    body, path = {**ask.query, **(ask.call.body or {})}, ask.params["path"].strip("/")
    branch = body.get("branch") or ask.github.default_branch
    old = ask.github.branches.get(branch, {}).get(path)
    if old is None:
        raise RestError(404, "Not Found")
    _check_sha(path, old, body.get("sha"))
    commit = ask.github.store.write(branch, path, None, body["message"])
    ask.call.applied = True
    return 200, {"content": None, "commit": {"sha": commit.sha, "message": commit.message}}


def _check_sha(path: str, old: bytes | None, given: str | None) -> None:
    if old is not None and not given:
        raise RestError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if given and (old is None or given != blob_sha(old)):
        raise RestError(409, f"{path} does not match {given}")


def get_tree(ask: Ask) -> Found:
    """Return a branch's tree; ``truncated`` beyond the fake's ``tree_limit`` entries."""
    branch = _branch(ask, ask.params["sha"])
    files = ask.github.branches[branch]
    entries = tree_entries(files, recursive="recursive" in ask.query)
    for entry in entries:
        kind = "trees" if entry["type"] == "tree" else "blobs"
        entry["url"] = f"{ask.repo}/git/{kind}/{entry['sha']}"
    sha, limit = tree_sha(files), ask.github.tree_limit
    found = {"sha": sha, "url": f"{ask.repo}/git/trees/{sha}"}
    return 200, found | {"tree": entries[:limit], "truncated": len(entries) > limit}


def get_blob(ask: Ask) -> Found:
    """Return a blob by its id."""
    wanted = ask.params["sha"]
    every = (c for files in ask.github.branches.values() for c in files.values())
    content = next((c for c in every if blob_sha(c) == wanted), None)
    if content is None:
        raise RestError(404, "Not Found")
    if ask.raw:
        return 200, content
    text = base64.encodebytes(content).decode()
    found = {"sha": wanted, "size": len(content), "encoding": "base64", "content": text}
    return 200, found | {"url": f"{ask.repo}/git/blobs/{wanted}"}


def get_branch(ask: Ask) -> Found:
    """Return a branch with its last commit."""
    name = ask.params["branch"]
    if name not in ask.github.branches:
        raise RestError(404, "Branch not found")
    return 200, {"name": name, "protected": False, "commit": _commit(ask, name)}


def get_ref(ask: Ask) -> Found:
    """Return what ``heads/NAME`` points to."""
    name = ask.params["branch"]
    if name not in ask.github.branches:
        raise RestError(404, "Not Found")
    return 200, _ref(ask, name)


def create_ref(ask: Ask) -> Found:
    """Make a branch from a commit."""
    _need_write(ask)
    name = ask.call.body["ref"].removeprefix("refs/heads/")
    source = ask.github.store.resolve(ask.call.body["sha"])
    if source is None:
        raise RestError(422, "Object does not exist")
    if name in ask.github.branches:
        raise RestError(422, "Reference already exists")
    ask.github.branches[name] = dict(ask.github.branches[source])
    ask.call.applied = True
    return 201, _ref(ask, name)


def get_commit(ask: Ask) -> Found:
    """Return the commit a branch or an id means."""
    return 200, _commit(ask, _branch(ask, ask.params["ref"]))


def _ref(ask: Ask, name: str) -> Json:
    sha = ask.github.store.commit_sha(name)
    target = {"type": "commit", "sha": sha, "url": f"{ask.repo}/git/commits/{sha}"}
    return {"ref": f"refs/heads/{name}", "url": f"{ask.repo}/git/refs/heads/{name}",
            "object": target}  # fmt: skip


def _commit(ask: Ask, branch: str) -> Json:
    sha, tree = ask.github.store.commit_sha(branch), tree_sha(ask.github.branches[branch])
    inner = {"message": "", "tree": {"sha": tree, "url": f"{ask.repo}/git/trees/{tree}"}}
    return {"sha": sha, "url": f"{ask.repo}/commits/{sha}", "commit": inner}


def get_labels(ask: Ask) -> Found:
    """Return a page of the repository's labels."""
    size = min(int(ask.query.get("per_page", "30")), 100)
    start = (int(ask.query.get("page", "1")) - 1) * size
    names = sorted(ask.github.labels)[start : start + size]
    return 200, [{"name": n, "node_id": label_id(n), "color": "ededed", "id": 1 + i,
                  "url": f"{ask.repo}/labels/{n}"} for i, n in enumerate(names, start)]  # fmt: skip


def unknown(ask: Ask) -> Found:
    """Answer 404 to what the fake does not serve, and remember it."""
    ask.github.violations.append(Violation(ask.call.name, "the fake has no such route"))
    raise RestError(404, "Not Found")


REPO = r"/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)"
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "contents", REPO + r"/contents/?(?P<path>.*)", get_contents),
    ("PUT", "contents", REPO + r"/contents/(?P<path>.+)", put_contents),
    ("DELETE", "contents", REPO + r"/contents/(?P<path>.+)", delete_contents),
    ("GET", "trees", REPO + r"/git/trees/(?P<sha>.+)", get_tree),
    ("GET", "blobs", REPO + r"/git/blobs/(?P<sha>\w+)", get_blob),
    ("GET", "branches", REPO + r"/branches/(?P<branch>.+)", get_branch),
    ("GET", "refs", REPO + r"/git/refs?/heads/(?P<branch>.+)", get_ref),
    ("POST", "refs", REPO + r"/git/refs", create_ref),
    ("GET", "commits", REPO + r"/commits/(?P<ref>.+)", get_commit),
    ("GET", "labels", REPO + r"/labels", get_labels),
)


def compiled(
    routes: tuple[tuple[str, str, str, Handler], ...],
) -> list[tuple[str, str, re.Pattern[str], Handler]]:
    """Return the routes with their patterns ready."""
    return [(verb, name, re.compile(pattern), do) for verb, name, pattern, do in routes]
