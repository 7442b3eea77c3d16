"""A machine that runs PTX on this CPU, so that kernels are proven right without a GPU."""

from tests.fakes.ptx.machine import Machine
from tests.fakes.ptx.memory import Fault
from tests.fakes.ptx.parse import parse
from tests.fakes.ptx.races import Race
from tests.fakes.ptx.schedule import Deadlock

__all__ = ["Deadlock", "Fault", "Machine", "Race", "parse"]
