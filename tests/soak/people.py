"""People who ask, type, press and fill in, wherever the bot can be used, as chance has it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.bot.integrations.discord_client.test_hostile import NUMBERS, TEXTS
from tests.fakes.discord import FakeDiscord, Modal, Reply, User
from tests.fakes.discord.limits import BUTTON, LOADING, walk
from tests.fakes.discord.place import Where
from tests.fakes.discord.world import Json
from tests.soak.hub import BAD_MODELS, MODELS

PEOPLE = 60
GPUS = ("h100", "h200", "a100", "b200", "mi300x", "l40s", "h100,h200,b200")
KNOWN = ("meta-llama/Llama-3.1-8B", "Qwen/Qwen3-8B", "google/gemma-2-9b-it", "llama 70b")
TYPED = ("", "h", "h100, b", "llama", "qwen3 3", "\u202e", "x" * 90, "70b")
WRONG: tuple[Json, ...] = (
    {"gpu": "h1000"},
    {"model": "lama"},
    {"gpus": 0},
    {"batch": "many"},
    {"dtype": "fp99"},
    {"slo": "fast please"},
    {"model": "../etc/passwd"},
    {"gpu": "rtx 4090", "model": "meta-llama/Llama-3.1-405B"},
)
OTHERS = "Other options, each as name:value"
FORMS_KEPT = 30


@dataclass
class Asked:
    """One interaction that a person sent, and what was known of the bot at that moment."""

    what: str
    reply: Reply
    person: User
    where: Where
    good: bool = False
    unheard: bool = False


@dataclass
class Crowd:
    """Sends until cancelled; ``asked`` holds all of it."""

    fake: FakeDiscord
    chance: random.Random
    asked: list[Asked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    forms: list[tuple[User, Modal, Where]] = field(default_factory=list)
    _opened: set[str] = field(default_factory=set)

    async def run(self, rate: float) -> None:
        """``rate`` interactions a second on average."""
        acts = (self.slash, self.wrong, self.crafted, self.waiting, self.typing, self.press,
                self.form, self.help)  # fmt: skip
        weights = (26, 10, 6, 10, 14, 24, 8, 2)
        while True:
            await asyncio.sleep(self.chance.expovariate(rate))
            await self.chance.choices(acts, weights)[0]()

    async def slash(self) -> None:
        """A question that has an answer."""
        options: Json = {"gpu": self.chance.choice(GPUS), "model": self.chance.choice(KNOWN)}
        options |= {"input": self.chance.randrange(100, 4000), "batch": "8"}
        await self._run("slash", options, good=True)

    async def wrong(self) -> None:
        """A question with a mistake in it."""
        right: Json = {"gpu": "h100", "model": KNOWN[0]}
        await self._run("wrong slash", right | self.chance.choice(WRONG))

    async def crafted(self) -> None:
        """What no client would send."""
        option = self.chance.choice(("gpu", "model", "gpus", "batch", "input", "slo", "rate"))
        value: Any = self.chance.choice([*TEXTS.values(), *NUMBERS])
        right: Json = {"gpu": "h100", "model": KNOWN[0]}
        await self._run("crafted slash", right | {option: value}, raw=True)

    async def waiting(self) -> None:
        """A model of the hub: "thinking" first."""
        good = self.chance.random() < 0.8
        model = self.chance.choice(MODELS if good else BAD_MODELS)
        await self._run("waiting slash", {"gpu": "h100", "model": model}, good=good)

    async def help(self) -> None:
        """What there is."""
        person, where = self._person(), self._where()
        self._note("help", await person.slash("help", wait=False, **where), person, where)

    async def typing(self) -> None:
        """Half a value."""
        person, where = self._person(), self._where()
        option, text = self.chance.choice(("gpu", "model")), self.chance.choice(TYPED)
        reply = await person.type_into("throughput", option, text, wait=False, **where)
        self._note("typing", reply, person, where)

    async def press(self) -> None:
        """Any button of any answer that is still there, by its asker or somebody else."""
        old = self.pressable()
        if not old:
            return
        before = self.chance.choice(old if self.chance.random() < 0.5 else old[-30:])
        person = before.person
        if not before.reply.ephemeral and self.chance.random() < 0.3:
            person = self._person()
        custom_id = self.chance.choice(button_ids(before.reply.message))
        reply = await person.click(before.reply.message, custom_id, wait=False, copies=self._copies)
        what = "press " + custom_id.split(":")[1]
        self._note(what, reply, person, before.where)

    async def form(self) -> None:
        """Send a form that was opened, at once or long after."""
        for one in self.asked[-200:]:
            opener = one.reply.interaction
            if opener.modal is not None and opener.id not in self._opened:
                self._opened.add(opener.id)
                self.forms.append((one.person, one.reply.modal, one.where))
        if not self.forms:
            return
        person, modal, where = self.forms.pop(self.chance.randrange(len(self.forms)))
        del self.forms[:-FORMS_KEPT]
        filled = {
            "gpu": self.chance.choice((*GPUS, "h1000")),
            OTHERS: self.chance.choice(("input:700", "what is this", "output:20 slo:ttft=1s")),
        }
        values = {name: text for name, text in filled.items() if name in modal.values}
        self._note("form", await person.submit(modal, values, wait=False), person, where)

    def pressable(self) -> list[Asked]:
        """Answers with buttons, oldest first."""
        return [one for one in self.asked if _has_buttons(one.reply)]

    async def _run(
        self, what: str, options: Json, *, good: bool = False, raw: bool = False
    ) -> None:
        person, where = self._person(), self._where()
        reply = await person.slash(
            "throughput", options, raw=raw, wait=False, copies=self._copies, **where
        )
        self._note(what, reply, person, where, good=good)

    def _note(
        self, what: str, reply: Reply, person: User, where: Where, *, good: bool = False
    ) -> None:
        unheard = all(session.dead for session in self.fake.gateway.sessions)
        self.counts[what] += 1
        self.asked.append(Asked(what, reply, person, where, good, unheard))

    @property
    def _copies(self) -> int:
        copies = 2 if self.chance.random() < 0.05 else 1
        self.counts["dispatched twice"] += copies - 1
        return copies

    def _person(self) -> User:
        name = f"person{self.chance.randrange(PEOPLE)}"
        return self.fake.user(name, roles=("moderators",) if name.endswith("7") else ())

    def _where(self) -> Where:
        fake = self.fake
        channel = self.chance.choice([c for c in fake.home.channels if c.name != "help"])
        places: list[Where] = [
            {"channel": channel},
            {"guild": fake.other},
            {"dm": True},
            {"user_install": True},
            {"dm": True, "user_install": True},
            {"guild": fake.home, "user_install": True},
        ]
        return self.chance.choices(places, (45, 20, 10, 15, 5, 5))[0]


def button_ids(message: Json) -> list[str]:
    """The ids of its buttons that are no links."""
    parts = (c for _, c in walk(message["components"]) if c["type"] == BUTTON)
    return [c["custom_id"] for c in parts if "custom_id" in c and not c.get("disabled")]


def _has_buttons(reply: Reply) -> bool:
    stored = reply.interaction.response
    if not reply.answered or stored is None or stored.deleted:
        return False
    return not stored.json["flags"] & LOADING and bool(button_ids(stored.json))
