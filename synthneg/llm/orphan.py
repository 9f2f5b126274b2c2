"""A plugin of vLLM: its processes end when the synthneg that started them is no more.

An engine whose parent was killed waits for requests for ever, and keeps the memory that the same command, given again,
needs.
"""

import os
import signal
import threading
import time

OWNER = (
    "SYNTHNEG_ENGINE_OWNER"  # the environment variable with the process that the engine works for
)
_EVERY_S = 1.0


def end_with_owner() -> None:
    """Watch the owner from a thread, in a process of an engine that has one; anywhere else do nothing."""
    owner = os.environ.get(OWNER)
    if owner is not None and int(owner) != os.getpid():
        threading.Thread(target=_watch, args=(int(owner),), daemon=True).start()


def _watch(owner: int) -> None:
    import psutil  # noqa: PLC0415  # comes with vLLM

    try:
        process = psutil.Process(owner)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_EVERY_S)
    except psutil.NoSuchProcess:
        pass
    os.kill(os.getpid(), signal.SIGKILL)
