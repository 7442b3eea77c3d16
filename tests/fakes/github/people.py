"""REST routes about who asks and about the repository itself."""

from __future__ import annotations

from tests.fakes.github.errors import Json, RestError
from tests.fakes.github.rest import REPO, Ask, Found, Handler
from tests.fakes.github.world import utc_now

FORBIDDEN = "Resource not accessible by integration"


def user_json(base: str, login: str) -> Json:
    """Return an account; a login that ends in [bot] is of type Bot."""
    number = 1 + int.from_bytes(login.encode()[:3], "big")
    return {
        "login": login, "id": number, "node_id": f"U_kgDO{login.encode().hex()}",
        "type": "Bot" if login.endswith("[bot]") else "User", "url": f"{base}/users/{login}",
        "html_url": f"{base}/{login}", "avatar_url": f"{base}/avatars/{login}", "site_admin": False,
    }  # fmt: skip


def get_user(ask: Ask) -> Found:
    """Return who a personal token belongs to; an installation is nobody."""
    if ask.call.by_app:
        raise RestError(403, FORBIDDEN)
    return 200, user_json(ask.base, ask.call.login)


def get_login(ask: Ask) -> Found:
    """Return anybody's account."""
    return 200, user_json(ask.base, ask.params["login"])


def get_repository(ask: Ask) -> Found:
    """Return the repository."""
    github = ask.github
    owner, _, name = github.repository.partition("/")
    role = github.permissions["repository"]
    return 200, {
        "id": 17273051, "node_id": github.repository_id, "name": name,
        "full_name": github.repository, "private": github.private, "archived": github.archived,
        "owner": user_json(ask.base, owner) | {"type": "Organization"}, "url": ask.repo,
        "html_url": github.html_url, "default_branch": github.default_branch,
        "has_discussions": github.discussions_enabled, "fork": False, "disabled": False,
        "permissions": {"pull": True, "push": role in ("write", "maintain", "admin"),
                        "admin": role == "admin"},
    }  # fmt: skip


def get_rate_limit(ask: Ask) -> Found:
    """Return the points left, which costs none."""
    limits = ask.github.limits
    each = {"limit": limits.primary, "used": limits.used, "remaining": limits.remaining,
            "reset": int(limits.reset_at.timestamp())}  # fmt: skip
    return 200, {"resources": {"core": each, "graphql": each, "search": each}, "rate": each}


def get_app(ask: Ask) -> Found:
    """Return the app to whom its key has signed."""
    github = ask.github
    return 200, {
        "id": github.app.id, "slug": github.login, "name": github.login,
        "node_id": "A_kwDOfake", "permissions": github.permissions, "events": ["discussion"],
        "html_url": f"{github.api_base}/apps/{github.login}",
    }  # fmt: skip


def _installation(ask: Ask) -> Json:
    app = ask.github.app
    at = f"{ask.base}/app/installations/{app.installation_id}"
    return {"id": app.installation_id, "app_id": app.id, "target_type": "Organization",
            "app_slug": ask.github.login, "permissions": ask.github.permissions,
            "access_tokens_url": f"{at}/access_tokens", "created_at": "2026-01-01T00:00:00Z",
            "repositories_url": f"{ask.base}/installation/repositories"}  # fmt: skip


def get_installation(ask: Ask) -> Found:
    """Return the installation."""
    wanted = ask.params.get("id")
    if wanted is not None and int(wanted) != ask.github.app.installation_id:
        raise RestError(404, "Not Found")
    return 200, _installation(ask)


def create_token(ask: Ask) -> Found:
    """Sell an installation token."""
    return 201, ask.github.app.issue(int(ask.params["id"]), ask.github.permissions)


def get_meta(ask: Ask) -> Found:
    """Return something small, as ``GET /`` does."""
    return 200, {"current_user_url": f"{ask.base}/user", "time": utc_now().isoformat()}


# Their caller signs with the app's key instead of a token.
JWT_ROUTES = frozenset({"app", "installation", "access_tokens"})
PEOPLE: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "user", r"/user", get_user),
    ("GET", "users", r"/users/(?P<login>[^/]+)", get_login),
    ("GET", "rate_limit", r"/rate_limit", get_rate_limit),
    ("GET", "app", r"/app", get_app),
    ("GET", "installation", r"/app/installations/(?P<id>\d+)", get_installation),
    ("GET", "installation", REPO + r"/installation", get_installation),
    ("POST", "access_tokens", r"/app/installations/(?P<id>\d+)/access_tokens", create_token),
    ("GET", "repo", REPO, get_repository),
    ("GET", "meta", r"/", get_meta),
)
