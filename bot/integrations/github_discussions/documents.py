"""Every GraphQL document that is sent to GitHub, whole: a test holds each against the schema."""

from __future__ import annotations

AUTHOR = "viewerDidAuthor author { __typename login }"
COMMENT = f"id url body createdAt isAnswer {AUTHOR}"
PAGE = "pageInfo { hasNextPage endCursor }"

# Who we are, and everything about the repository that a post needs.
LOOK = """query Look($owner: String!, $name: String!) {
  viewer { id login }
  rateLimit { limit remaining resetAt }
  repository(owner: $owner, name: $name) {
    id nameWithOwner isArchived hasDiscussionsEnabled viewerPermission
    discussionCategories(first: 100) { nodes { id name } }
  }
}"""

LABELS = f"""query Labels($owner: String!, $name: String!, $after: String) {{
  repository(owner: $owner, name: $name) {{
    labels(first: 100, after: $after) {{ nodes {{ id name }} {PAGE} }}
  }}
}}"""

# Newest first, of all categories: somebody may have moved a post to another one.
CREATED = f"""query Created($owner: String!, $name: String!, $after: String) {{
  repository(owner: $owner, name: $name) {{
    discussions(first: 50, after: $after, orderBy: {{field: CREATED_AT, direction: DESC}}) {{
      nodes {{ id number url title body createdAt category {{ name }} {AUTHOR} }}
      {PAGE}
    }}
  }}
}}"""

CHANGED = f"""query Changed($owner: String!, $name: String!, $after: String) {{
  repository(owner: $owner, name: $name) {{
    discussions(first: 30, after: $after, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
      nodes {{
        id databaseId number url title body createdAt updatedAt closed locked
        isAnswered answerChosenAt category {{ id name isAnswerable }} {AUTHOR}
        answer {{ {COMMENT} }}
        comments(last: 1) {{ totalCount nodes {{ {COMMENT} }} }}
      }}
      {PAGE}
    }}
  }}
}}"""

# For adoption: posts with the comments most of them have; the rest is asked for one by one.
EVERYTHING = f"""query Everything($owner: String!, $name: String!, $after: String) {{
  repository(owner: $owner, name: $name) {{
    discussions(first: 25, after: $after, orderBy: {{field: CREATED_AT, direction: DESC}}) {{
      nodes {{
        id number url title body createdAt category {{ name }} {AUTHOR}
        comments(first: 30) {{
          nodes {{ {COMMENT} replies(first: 20) {{ nodes {{ {COMMENT} }} {PAGE} }} }}
          {PAGE}
        }}
      }}
      {PAGE}
    }}
  }}
}}"""

COMMENTS = f"""query Comments($id: ID!, $after: String) {{
  node(id: $id) {{
    ... on Discussion {{
      comments(first: 50, after: $after) {{
        nodes {{ {COMMENT} replies(first: 50) {{ nodes {{ {COMMENT} replyTo {{ id }} }} {PAGE} }} }}
        {PAGE}
      }}
    }}
  }}
}}"""

REPLIES = f"""query Replies($id: ID!, $after: String) {{
  node(id: $id) {{
    ... on DiscussionComment {{
      replies(first: 100, after: $after) {{ nodes {{ {COMMENT} replyTo {{ id }} }} {PAGE} }}
    }}
  }}
}}"""

# The newest of a Discussion or of a thread, to be looked through backwards.
LAST_COMMENTS = f"""query LastComments($id: ID!, $before: String) {{
  node(id: $id) {{
    ... on Discussion {{
      comments(last: 100, before: $before) {{
        nodes {{ {COMMENT} }}
        pageInfo {{ hasPreviousPage startCursor }}
      }}
    }}
  }}
}}"""

LAST_REPLIES = f"""query LastReplies($id: ID!, $before: String) {{
  node(id: $id) {{
    ... on DiscussionComment {{
      replies(last: 100, before: $before) {{
        nodes {{ {COMMENT} }}
        pageInfo {{ hasPreviousPage startCursor }}
      }}
    }}
  }}
}}"""

IS_THERE = """query IsThere($owner: String!, $name: String!, $id: ID!) {
  repository(owner: $owner, name: $name) { id }
  node(id: $id) { __typename }
}"""

CREATE = """mutation Create($input: CreateDiscussionInput!) {
  createDiscussion(input: $input) { discussion { id number url } }
}"""

UPDATE = """mutation Update($input: UpdateDiscussionInput!) {
  updateDiscussion(input: $input) { discussion { id url } }
}"""

ADD_LABELS = """mutation AddLabels($input: AddLabelsToLabelableInput!) {
  addLabelsToLabelable(input: $input) { labelable { __typename } }
}"""

ADD_COMMENT = """mutation AddComment($input: AddDiscussionCommentInput!) {
  addDiscussionComment(input: $input) { comment { id url } }
}"""

QUERIES = (
    LOOK, LABELS, CREATED, CHANGED, EVERYTHING, COMMENTS, REPLIES, LAST_COMMENTS, LAST_REPLIES,
    IS_THERE,
)  # fmt: skip
MUTATIONS = (CREATE, UPDATE, ADD_LABELS, ADD_COMMENT)
