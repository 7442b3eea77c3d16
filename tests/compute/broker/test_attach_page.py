"""What docs/attach-a-gpu.md tells an operator to type and to allow is what the code takes."""

from __future__ import annotations

import re
from pathlib import Path

from compute.broker.permissions import Worker, of_worker
from compute.broker.place import WEBSOCKET

PAGE = (Path(__file__).parents[3] / "docs" / "attach-a-gpu.md").read_text(encoding="utf-8")


def test_the_page_lists_exactly_what_a_worker_is_allowed() -> None:
    may = of_worker(Worker("NAME", "U", ("LANE",)))
    part = PAGE.partition("## An existing NATS")[2].partition("and runs")[0]
    listed = set(re.findall(r"`((?:\$|bell|cancel|_INBOX)[^`]+)`", part))
    assert listed == {*may.publish, *may.subscribe, may.inbox}


def test_the_proxy_of_the_page_leads_to_the_websocket() -> None:
    assert f"proxy_pass http://{WEBSOCKET};" in PAGE
