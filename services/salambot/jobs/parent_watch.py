"""End a job when its parent ends, also across containers: closing standard input is the signal."""

import os
import signal
from threading import Thread


def interrupt_when_stdin_closes() -> None:
    """Interrupt this process, as Ctrl-C does, when standard input closes."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    Thread(target=_watch, name="caller", daemon=True).start()


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)
