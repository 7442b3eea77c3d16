"""The repository's files: branches of path -> bytes, with git's own ids for blobs and trees."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field

from tests.fakes.github.errors import Json


@dataclass(frozen=True)
class Commit:
    """What one write through the contents API left."""

    branch: str
    path: str
    message: str
    sha: str


@dataclass
class Files:
    """``branches["main"]["a/b.md"]`` is a file's content; ``commits`` are those made by the API."""

    branches: dict[str, dict[str, bytes]]
    commits: list[Commit] = field(default_factory=list)

    def commit_sha(self, branch: str) -> str:
        """Return an id that changes exactly when the branch's content does."""
        return hashlib.sha1(f"{branch} {tree_sha(self.branches[branch])}".encode()).hexdigest()

    def resolve(self, ref: str) -> str | None:
        """Return the branch that a name, a full ref, a commit's or a tree's id means."""
        short = ref.removeprefix("refs/").removeprefix("heads/")
        if short in self.branches:
            return short
        ids = ((name, self.commit_sha(name), tree_sha(files))
               for name, files in self.branches.items())  # fmt: skip
        return next((name for name, *known in ids if ref in known), None)

    def write(self, branch: str, path: str, content: bytes | None, message: str) -> Commit:
        """Store a file, or with ``None`` take it away, as one commit."""
        if content is None:
            del self.branches[branch][path]
        else:
            self.branches[branch][path] = content
        commit = Commit(branch, path, message, self.commit_sha(branch))
        self.commits.append(commit)
        return commit


def _git_sha(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).hexdigest()


@functools.lru_cache(maxsize=65_536)
def blob_sha(content: bytes) -> str:
    """Return the id git gives a file's content."""
    return _git_sha("blob", content)


def tree_sha(files: dict[str, bytes]) -> str:
    """Return the id git gives a folder, from paths below it."""
    entries = []
    for name, kind, sha in _level(files):
        mode, key = ("40000", name + "/") if kind == "tree" else ("100644", name)
        entries.append((key, f"{mode} {name}\0".encode() + bytes.fromhex(sha)))
    return _git_sha("tree", b"".join(raw for _, raw in sorted(entries)))


def _level(files: dict[str, bytes]) -> list[tuple[str, str, str]]:
    """Return name, kind and id of what lies directly in a folder."""
    folders: dict[str, dict[str, bytes]] = {}
    found = []
    for path, content in files.items():
        head, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(head, {})[rest] = content
        else:
            found.append((head, "blob", blob_sha(content)))
    return found + [(name, "tree", tree_sha(below)) for name, below in folders.items()]


def below(files: dict[str, bytes], folder: str) -> dict[str, bytes]:
    """Return the files under a folder, with paths relative to it."""
    start = folder.strip("/") + "/" if folder.strip("/") else ""
    return {p.removeprefix(start): c for p, c in files.items() if p.startswith(start)}


def tree_entries(files: dict[str, bytes], *, recursive: bool) -> list[Json]:
    """Return the entries of the git trees API, in the order of their paths."""
    if not recursive:
        found = [(n, k, s, len(files.get(n, b""))) for n, k, s in _level(files)]
    else:
        folders = {p.rsplit("/", n)[0] for p in files for n in range(1, p.count("/") + 1)}
        found = [(p, "tree", tree_sha(below(files, p)), 0) for p in folders]
        found += [(p, "blob", blob_sha(c), len(c)) for p, c in files.items()]
    return [_entry(*one) for one in sorted(found)]


def _entry(path: str, kind: str, sha: str, size: int) -> Json:
    if kind == "tree":
        return {"path": path, "mode": "040000", "type": "tree", "sha": sha}
    return {"path": path, "mode": "100644", "type": "blob", "sha": sha, "size": size}
