"""Something that a test does to a run from outside, while the test itself waits for the run."""

import threading
import time
from collections.abc import Callable

PATIENCE = 60.0  # seconds until something must be reached


def when(reached: Callable[[], object], action: Callable[[], object]) -> threading.Thread:
    """Do something as soon as something is reached; return the thread that does, to be joined.

    The thread ends with an error, which fails the test, when it is not reached within a minute.
    """

    def wait() -> None:
        deadline = time.monotonic() + PATIENCE
        while not reached():
            if time.monotonic() > deadline:
                raise TimeoutError(f"what {action} waits for was not reached in {PATIENCE:.0f} s")
            time.sleep(0.05)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread
