"""A job that ends with whoever started it, even inside a container: standard input is the tie between them."""

import os
import signal
from threading import Thread


def end_with_caller() -> None:
    """From now on, the end of standard input interrupts this process as Ctrl-C does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    Thread(target=_watch, name="caller", daemon=True).start()


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)
