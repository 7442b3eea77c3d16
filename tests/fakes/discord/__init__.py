"""A small Discord on loopback for tests: gateway, REST, CDN, and users who act.

Start with ``async with FakeDiscord() as fake`` and point a bot at ``fake.api_base`` and
``fake.gateway_url`` with ``fake.token``. ``fake.user("alice").slash(...)`` acts,
``fake.fault(...)`` and ``fake.gateway`` make things go wrong, ``fake.violations`` must be empty at
the end.
"""

from __future__ import annotations

from tests.fakes.discord.faults import Fault
from tests.fakes.discord.messages import Upload
from tests.fakes.discord.place import Place
from tests.fakes.discord.reply import Modal, NoAnswer, Reply, file_bytes, message_text
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.discord.user import User
from tests.fakes.discord.world import Channel, Guild, GuildSpec, Role, bits

__all__ = [
    "Channel",
    "FakeDiscord",
    "Fault",
    "Guild",
    "GuildSpec",
    "Modal",
    "NoAnswer",
    "Place",
    "Reply",
    "Role",
    "Upload",
    "User",
    "bits",
    "file_bytes",
    "message_text",
]
