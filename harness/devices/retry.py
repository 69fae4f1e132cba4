"""The retry rule of devices, SSH above all. Nothing else in the harness tries anything again.

    connecting failed (Unreachable)           every job connects again: nothing had begun
    the environment there is damaged          it is set up again, and the job connects again
    hello, predict or perturb was cut off     the whole job again, with a fresh agent: it changes nothing on the device
    measure, profile or energy was cut off    never: a second attempt on a warm board is another measurement
    a crash, a passed deadline, an error      never: it would only happen again

A run, which has time, also waits for a device that is away and then does again what had not begun (`had_not_begun`).
Being cut off is `ConnectionCut`; transport/faults.py names all that can go wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from harness.devices.device import Device, set_up
from harness.devices.transport.faults import Away, ConnectionCut, DeadlinePassed, EnvironmentDamaged, Unreachable
from harness.devices.transport.session import Session
from harness.saying import say

PAUSES_SECONDS = (1.0, 4.0)  # before the second attempt and the third, which is the last
LOOK_PAUSE_SECONDS = 3.0  # between two looks at a device that is away
HELLO_SECONDS = 30.0
CHANGE_NOTHING = ("start", "hello", "stat", "put", "load", "predict", "perturb")  # verbs that can be repeated
Result = TypeVar("Result")


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


def had_not_begun(error: Exception) -> bool:
    """Whether a job that ended so may be done again once the device is back, because it left nothing behind."""
    return isinstance(error, Away) or (isinstance(error, ConnectionCut) and error.verb in CHANGE_NOTHING)


def may_be_away(error: Exception) -> bool:
    """Whether the device that gave this error may not be there any more."""
    return isinstance(error, (Away, ConnectionCut, DeadlinePassed))


def wait_seconds(device: Device) -> float | None:
    """How long a run waits for the device when it is away; None for a kind that never is."""
    return getattr(device, "wait_s", None)


def wait_for(
    device: Device,
    *,
    at_most_s: float,
    on_wait: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Look until the device answers; None once it does, or what the last look found after so many seconds.

    It is looked for once at least.

    on_wait  told before each look how many seconds have passed.
    """
    began = clock()
    while True:
        on_wait(clock() - began)
        problem = _why_away(device)
        if problem is None or clock() - began + LOOK_PAUSE_SECONDS > at_most_s:
            return problem
        sleep(LOOK_PAUSE_SECONDS)


def wait_out(device: Device, error: Exception, *, say: Callable[[str], None] = say) -> str:
    """Wait for a device that may be away after this error; why it still is, or empty: it answers, or was never away."""
    wait_s = wait_seconds(device)
    if wait_s is None or not may_be_away(error):
        return ""
    if wait_s:
        say(f"{device.name} does not answer; waiting for it, {wait_s:.0f} s at most")
    problem = wait_for(device, at_most_s=wait_s, on_wait=lambda seconds: None)
    say(f"{device.name} is away" if problem else f"{device.name} is back")
    return f"board away: {problem}" if problem else ""


def _why_away(device: Device) -> str | None:
    """Whatever answers is there: what is wrong with it, the next job will say."""
    try:
        with device.open() as session:
            session.request("hello", deadline_s=HELLO_SECONDS)
    except (Unreachable, ConnectionCut, DeadlinePassed) as error:
        return str(error).partition("\n  try: ")[0]
    except Exception:  # of this host's, too: a thread that waits must not end with it
        return None
    return None


def _try_again(attempt: Callable[[], Result], fault: type[Exception]) -> Result:
    for pause_s in PAUSES_SECONDS:
        try:
            return attempt()
        except fault:
            time.sleep(pause_s)
    return attempt()
