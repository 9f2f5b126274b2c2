"""Ctrl-C while asking: the first lets what is in flight come in, the second does not."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from synthneg.llm.jobs import Desk
from synthneg.progress import say


@contextmanager
def stopping(asker: Desk) -> Iterator[None]:
    """Let Ctrl-C, or a SIGTERM, stop the asker in the block; both are Python's own again behind it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    pressed = 0

    def on_signal() -> None:
        nonlocal pressed
        pressed += 1
        if pressed == 1:
            left = asker.stop()
            if left:
                say(
                    f"\nstopping: {left} requests in flight are waited for; Ctrl-C again to leave them"
                )
        elif task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGINT, on_signal)
    loop.add_signal_handler(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
