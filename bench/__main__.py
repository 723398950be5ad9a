"""`python -m bench [NAME…]` measures the tables of bench/README.md, all or those named, and writes each into it."""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bench import chain, chaos, command, compose, stack, telemetry, webhooks
from bench.table import Row, markdown, put


def on_a_stack(measure: Callable[[stack.Stack], list[Row]]) -> Callable[[], list[Row]]:
    """Measure on a running stack of its own."""

    def measured() -> list[Row]:
        with stack.running_stack() as running:
            return measure(running)

    return measured


TABLES: Mapping[str, Callable[[], list[Row]]] = {
    "command": command.measure,
    "stack": stack.measure,
    "chain": on_a_stack(chain.measure),
    "webhooks": on_a_stack(webhooks.measure),
    "telemetry": telemetry.measure,
    "compose": compose.measure,
    "chaos": chaos.measure,
}
ON_THEIR_OWN: Mapping[str, tuple[str, ...]] = {
    "first_byte": (),
    "search": (),
    "proxy": (),
    "answers": (),
    "load": (),
    "capacity": ("--measure",),
    "indexing": (),
}
"""Modules that write their own table, with the options that they take here."""


def main() -> None:
    """Measure what is named, else everything; without an engine, no containers."""
    every = (*TABLES, *ON_THEIR_OWN)
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    names = parser.parse_args().names or every
    if unknown := set(names) - set(every):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there is {', '.join(every)}")
    for name in names:
        print(f"{name} …", flush=True)
        if name in ON_THEIR_OWN:
            subprocess.run([sys.executable, "-m", f"bench.{name}", *ON_THEIR_OWN[name]], check=True)
        elif name != "compose" or compose.engine_answers():
            table = markdown(TABLES[name]())
            print(table, flush=True)
            put(name, table)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    put("when", f"Measured {datetime.now(UTC):%Y-%m-%d}, {machine}.")


if __name__ == "__main__":
    main()
