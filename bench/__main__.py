"""`python -m bench` measures everything and writes the tables of bench/README.md."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from bench import chain, chaos, command, compose, stack, telemetry, webhooks
from bench.table import Row, markdown

README = Path(__file__).with_name("README.md")


def sections() -> dict[str, list[Row]]:
    """Run every benchmark; return the rows of each section of the README."""
    with stack.running_stack() as running:
        chain_rows = chain.measure(running)
        webhook_rows = webhooks.measure(running)
    return {
        "command": command.measure(),
        "stack": stack.measure(),
        "chain": chain_rows,
        "webhooks": webhook_rows,
        "chaos": chaos.measure(),
        "telemetry": telemetry.measure(),
        **({"compose": compose.measure()} if compose.engine_answers() else {}),
    }


def main() -> None:
    """Measure, and put each table between its markers."""
    text = README.read_text()
    for name, rows in sections().items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)",
            lambda match, rows=rows: f"{match[1]}{markdown(rows)}\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    when = f"{datetime.now(UTC):%Y-%m-%d}, {machine}"
    README.write_text(re.sub(r"(<!-- when -->).*?(<!-- end -->)", rf"\1{when}\2", text))


if __name__ == "__main__":
    main()
