"""The retry rule of devices, SSH above all. Nothing else in the harness tries anything again.

    connecting failed (Unreachable)           every job connects again: nothing had begun
    the environment there is damaged          it is set up again, and the job connects again
    hello, predict or perturb was cut off     the whole job again, with a fresh agent: it changes nothing on the device
    measure, profile or energy was cut off    never: a second attempt on a warm board is another measurement
    a crash, a passed deadline, an error      never: it would only happen again

Being cut off is `ConnectionCut`; transport/faults.py names all that can go wrong.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from harness.devices.device import Device, set_up
from harness.devices.transport.faults import ConnectionCut, EnvironmentDamaged, Unreachable
from harness.devices.transport.session import Session

PAUSES_SECONDS = (1.0, 4.0)  # before the second attempt and the third, which is the last
Result = TypeVar("Result")


def say(line: str) -> None:
    """Beside a job's own output, which may be JSON."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def connected(device: Device) -> Iterator[Session]:
    """A session with a fresh agent. Connecting is tried again, what happens in the session is not."""
    with ExitStack() as stack:
        yield _try_again(lambda: _healed(device, stack), Unreachable)


def _healed(device: Device, stack: ExitStack) -> Session:
    """A session, after setting the device up again where a power cut or a worn card has damaged its environment."""
    try:
        return stack.enter_context(device.open())
    except EnvironmentDamaged as fault:
        say(f"{str(fault).splitlines()[0]}; it is set up again")
        set_up(device, python=fault.python, say=say)
        return stack.enter_context(device.open())


def try_whole_job_again(job: Callable[[], Result]) -> Result:
    """The job's result, from a second or third attempt if the connection was cut. Only for jobs that change nothing."""
    return _try_again(job, ConnectionCut)


def _try_again(attempt: Callable[[], Result], fault: type[Exception]) -> Result:
    for pause_s in PAUSES_SECONDS:
        try:
            return attempt()
        except fault:
            time.sleep(pause_s)
    return attempt()
