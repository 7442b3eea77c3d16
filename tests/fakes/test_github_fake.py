"""The fake GitHub against the real PyGithub: what is there, and what GitHub refuses."""

from __future__ import annotations

import time
from typing import Any

import github as pygithub
import pytest

from tests.fakes.github import FakeGitHub
from tests.fakes.github.world import label_id
from tests.fakes.pygithub import away, client, create, error_of, mutate, page, query

pytestmark = pytest.mark.slow

THREAD = """query($id: ID!) { node(id: $id) { ... on Discussion {
  title isAnswered answer { id } labels(first: 10) { nodes { name } }
  comments(last: 100) { nodes { id body isAnswer author { login }
    replies(last: 100) { nodes { id body replyTo { id } } } } } } } }"""


async def test_a_discussion_is_created_labelled_commented_and_read(github: FakeGitHub) -> None:
    with client(github) as hub:
        made = await away(create, hub, github)
        label = label_id("kernels")
        one = {"labelableId": made["id"], "labelIds": [label]}
        await away(lambda: mutate(hub, "addLabelsToLabelable", **one))
        await away(lambda: mutate(hub, "addLabelsToLabelable", **one))
        said = await away(lambda: mutate(hub, "addDiscussionComment", "comment { id }",
                                         discussionId=made["id"], body="first"))  # fmt: skip
        await away(lambda: mutate(hub, "addDiscussionComment", discussionId=made["id"],
                                  replyToId=said["comment"]["id"], body="reply"))  # fmt: skip
        thread = (await away(lambda: query(hub, THREAD, id=made["id"])))["node"]
    assert made["url"] == f"{github.api_base}/mlsystems/site/discussions/1"
    assert made["author"] == {"login": "k2c-bot", "__typename": "User"}
    assert [x["name"] for x in thread["labels"]["nodes"]] == ["kernels"]
    (comment,) = thread["comments"]["nodes"]
    assert comment["body"] == "first"
    (reply,) = comment["replies"]["nodes"]
    assert reply["body"] == "reply" and reply["replyTo"]["id"] == comment["id"]
    assert github.discussions[0].comments[0].replies[0].body == "reply"
    assert not github.violations


async def test_pages_are_newest_first_and_hold_while_the_list_grows(github: FakeGitHub) -> None:
    for n in range(5):
        github.add_discussion(title=str(n), body="x")
    with client(github) as hub:
        first = await away(page, hub, github, 2)
        github.add_discussion(title="late", body="x")
        second = await away(page, hub, github, 2, first["pageInfo"]["endCursor"])
    assert [d["number"] for d in first["nodes"] + second["nodes"]] == [5, 4, 3, 2]
    assert first["pageInfo"]["hasNextPage"] is True


async def test_pygithubs_own_discussion_calls_work(github: FakeGitHub) -> None:
    github.add_discussion(title="A", body="x", comments=["c1", "c2"])
    github.add_discussion(title="B", body="x", category="Q&A")
    with client(github) as hub:
        repo = await away(hub.get_repo, github.repository)
        one = await away(repo.get_discussion, 1, "id title")
        listed = await away(lambda: [d.title for d in repo.get_discussions("id title")])
        comments = await away(lambda: [c.body for c in one.get_comments("id body")])
    assert listed == ["B", "A"] and comments == ["c1", "c2"]
    assert not github.violations


@pytest.mark.parametrize("base", ["", "/api/v3"])
async def test_files_are_written_once_and_read_back(github: FakeGitHub, base: str) -> None:
    with client(github, base_url=github.api_base + base) as hub:
        repo = await away(hub.get_repo, github.repository)
        done = await away(lambda: repo.create_file("p/a.png", "add", b"\x89PNG", branch="main"))
        with pytest.raises(pygithub.GithubException) as again:
            await away(lambda: repo.create_file("p/a.png", "add", b"other", branch="main"))
        found: Any = await away(repo.get_contents, "p/a.png")
        tree = await away(lambda: repo.get_git_tree("main", recursive=True))
        blob = await away(repo.get_git_blob, found.sha)
        folder: Any = await away(repo.get_contents, "")
    assert again.value.status == 422 and "sha" in str(again.value)
    assert found.decoded_content == github.files["p/a.png"] == b"\x89PNG"
    assert blob.sha == found.sha == done["content"].sha
    assert [e.path for e in tree.tree] == ["README.md", "p", "p/a.png"]
    assert [f.path for f in folder] == ["README.md", "p"] and len(github.store.commits) == 1
    assert not github.violations


async def test_ids_of_blobs_and_trees_are_gits(github: FakeGitHub) -> None:
    files = {"README.md": b"hello\n", "a/b/c": b"1\n", "a.x/d": b"2\n", "a0": b"3\n"}
    github.branches["main"] = files
    with client(github) as hub:
        repo = await away(hub.get_repo, github.repository)
        tree = await away(repo.get_git_tree, "main")
    # from git write-tree and git hash-object on these files
    assert tree.sha == "98b3e6281a12fab31511647681fb2a869cd5049c"
    assert tree.tree[0].sha == "ce013625030ba8dba906f756967f9e9ca394464a"


async def test_an_update_that_names_the_wrong_blob_conflicts(github: FakeGitHub) -> None:
    with client(github) as hub:
        repo = await away(hub.get_repo, github.repository)
        with pytest.raises(pygithub.GithubException) as lost:
            await away(lambda: repo.update_file("README.md", "m", b"new", "0" * 40))
    assert lost.value.status == 409 and github.files["README.md"] == b"# site\n"


@pytest.mark.parametrize(
    ("title", "body", "words"),
    [
        ("t" * 257, "b", "Title is too long (maximum is 256 characters)"),
        ("t", "b" * 65_537, "Body is too long (maximum is 65536 characters)"),
        (" ", "b", "Title can't be blank"),
    ],
)
async def test_what_is_too_long_is_refused(
    github: FakeGitHub, title: str, body: str, words: str
) -> None:
    with client(github) as hub, pytest.raises(pygithub.GithubException) as refused:
        await away(create, hub, github, title, body)
    assert error_of(refused.value)["message"] == words and not github.discussions
    assert bool(github.violations) is ("long" in words)


async def test_the_longest_title_and_body_are_taken(github: FakeGitHub) -> None:
    with client(github) as hub:
        await away(create, hub, github, "t" * 256, "😀" * 65_536)
    assert len(github.discussions[0].body) == 65_536 and not github.violations


async def test_a_reply_to_a_reply_is_refused(github: FakeGitHub) -> None:
    topic = github.add_discussion(title="A", body="x", comments=["c"])
    reply = github.comment(topic, "r", reply_to=topic.comments[0])
    with client(github) as hub, pytest.raises(pygithub.GithubException) as refused:
        given = {"discussionId": topic.id, "body": "deeper", "replyToId": reply.id}
        await away(lambda: mutate(hub, "addDiscussionComment", **given))
    assert "already in a thread" in error_of(refused.value)["message"] and not reply.replies


async def test_an_unknown_id_is_not_found(github: FakeGitHub) -> None:
    with client(github) as hub, pytest.raises(pygithub.UnknownObjectException) as missing:
        await away(lambda: query(hub, THREAD, id="D_nothing"))
    words = "Could not resolve to a node with the global id of 'D_nothing'"
    assert error_of(missing.value)["message"] == words


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"discussions_enabled": False}, "UNPROCESSABLE", "Discussions are disabled"),
        ({"archived": True}, "UNPROCESSABLE", "archived so is read-only"),
        ({"hidden": True}, "NOT_FOUND", "node"),
    ],
)
async def test_a_repository_that_takes_no_posts_says_why(
    github: FakeGitHub, change: dict[str, bool], kind: str, words: str
) -> None:
    for name, value in change.items():
        setattr(github, name, value)
    with client(github) as hub, pytest.raises(pygithub.GithubException) as refused:
        await away(create, hub, github)
    found = error_of(refused.value)
    assert found["type"] == kind and words in found["message"] and not github.discussions


async def test_a_missing_permission_is_named(github: FakeGitHub) -> None:
    github.permissions["discussions"] = "read"
    with client(github) as hub, pytest.raises(pygithub.GithubException) as refused:
        await away(create, hub, github)
    assert error_of(refused.value) == error_of(refused.value) | {
        "type": "FORBIDDEN", "message": "Resource not accessible by personal access token",
    }  # fmt: skip


async def test_announcements_are_for_those_who_may_write(github: FakeGitHub) -> None:
    github.permissions["repository"] = "read"
    with client(github) as hub:
        await away(create, hub, github)
        with pytest.raises(pygithub.GithubException) as refused:
            await away(create, hub, github, "t", "b", "Announcements")
    words = "k2c-bot does not have the correct permissions to execute `CreateDiscussion`"
    assert error_of(refused.value)["message"] == words and len(github.discussions) == 1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{ viewer { nickname } }", "Cannot query field 'nickname' on type 'User'."),
        ("{ viewer {", "Syntax Error"),
        ('{ repository(owner: "mlsystems", name: "site") { discussions { nodes { id } } } }',
         "You must provide a `first` or `last` value"),
        ('{ repository(owner: "mlsystems", name: "site") { labels(first: 101) { nodes { id } } } }',
         "exceeds the `first` limit of 100 records"),
        ("mutation { createDiscussion(input: {title: 1}) { clientMutationId } }",
         "required field 'body'"),
        ('{ repository(owner: "mlsystems", name: "site") { diskUsage } }', "no resolver"),
    ],
)  # fmt: skip
async def test_a_wrong_document_is_refused_and_remembered(
    github: FakeGitHub, document: str, words: str
) -> None:
    with client(github) as hub, pytest.raises(pygithub.GithubException) as refused:
        await away(lambda: query(hub, document))
    assert words in github.violations[0].problem
    assert words == "no resolver" or words in str(refused.value)


async def test_a_variable_of_the_wrong_type_is_remembered(github: FakeGitHub) -> None:
    with client(github) as hub, pytest.raises(pygithub.GithubException):
        await away(lambda: query(hub, THREAD, id={"not": "an id"}))
    assert "invalid value" in github.violations[0].problem


async def test_an_unknown_route_is_remembered(github: FakeGitHub) -> None:
    with client(github) as hub, pytest.raises(pygithub.UnknownObjectException):
        await away(lambda: hub.get_repo(github.repository).get_topics())
    assert github.violations[0].problem == "the fake has no such route"


async def test_search_and_lists_lag_behind_what_is_stored(github: FakeGitHub) -> None:
    find = (
        "query($q: String!) { search(query: $q, type: DISCUSSION, first: 5) { discussionCount } }"
    )
    github.search_lag_s = github.list_lag_s = 60.0
    github.add_discussion(title="old", body='has "k2c:post key=a"').made_s -= 61
    github.add_discussion(title="new", body='has "k2c:post key=a"')
    asked = 'repo:mlsystems/site in:body "k2c:post key=a"'
    with client(github) as hub:
        found = await away(lambda: query(hub, find, q=asked))
        listed = await away(page, hub, github, 10)
        node = await away(lambda: query(hub, THREAD, id=github.discussions[1].id))
    assert found["search"]["discussionCount"] == 1
    assert [d["number"] for d in listed["nodes"]] == [1]
    assert node["node"]["title"] == "new"


async def test_calls_tell_what_was_sent_and_when(github: FakeGitHub) -> None:
    started = time.monotonic()
    with client(github, user_agent="k2c/1") as hub:
        await away(create, hub, github)
        await away(page, hub, github, 1)
    create_call, list_call = github.calls
    assert create_call.input["title"] == "One" and create_call.applied
    assert (create_call.kind, create_call.name) == ("mutation", "createDiscussion")
    assert (create_call.token, create_call.user_agent) == (github.token, "k2c/1")
    assert started < create_call.at < create_call.ended <= list_call.at
    assert list_call.kind == "query" and "repository.discussions" in list_call.names
    assert github.mutations == [create_call] and github.most_in_flight_mutations == 1
