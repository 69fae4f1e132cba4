"""What can go wrong with a device, sorted by what may be done about it. retry.py says what is tried again.

DeviceError
├── Unreachable         connecting failed, nothing was begun: may be tried again
│   └── Away            nobody answers at a remote device's address: it is off, starting, or cut off
├── EnvironmentDamaged  the board's environment is not as setup made it: made again, and then tried again
├── AgentLost           the agent's process ended in the middle of a job: a crash, or killed for lack of memory
│   ├── ConnectionCut   the connection to it broke: network, reboot, power
│   └── LackOfMemory    it asked for more than a job may have there, and could not go on
├── DeadlinePassed      the agent did not answer in time, and was ended
└── AgentError          the agent answered with an error, and is well
"""

from __future__ import annotations

from harness.errors import DeviceError


class Unreachable(DeviceError):
    pass


class Away(Unreachable):
    pass


class EnvironmentDamaged(DeviceError):
    """`python` is the board's interpreter that the environment was built on, as far as it is known."""

    def __init__(self, problem: str, *, python: str, hint: str) -> None:
        super().__init__(problem, hint=hint)
        self.python = python


class AgentLost(DeviceError):
    """`signal` is the number of the signal that ended the agent, or 0 where there was none or none is known.

    verb  what it was asked to do.
    """

    def __init__(self, problem: str, *, signal: int = 0, verb: str = "") -> None:
        super().__init__(problem)
        self.signal, self.verb = signal, verb


class ConnectionCut(AgentLost):
    pass


class LackOfMemory(AgentLost):
    pass


class DeadlinePassed(DeviceError):
    pass


class AgentError(DeviceError):
    """`kind` is the class of the remote exception, `remote_traceback` where it was raised."""

    def __init__(self, problem: str, *, kind: str, remote_traceback: str) -> None:
        super().__init__(problem)
        self.kind = kind
        self.remote_traceback = remote_traceback
