"""`python -m bench.attacks [PORT PID]` attacks a listener, of a stack of its own by default, and prints the table."""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from bench.attacks.documents import DOCUMENTS
from bench.attacks.http import FLOODS, HOLDS
from bench.attacks.target import HEADING, Attack, Target, measure
from bench.command import SALAMBOT
from bench.stack import running_stack


def main() -> None:
    """Attack; exit 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="bench.attacks", description=__doc__)
    parser.add_argument("port", type=int, nargs="?", help="of a listener on this machine")
    parser.add_argument("pid", type=int, nargs="?", help="of the process behind it")
    parser.add_argument("--only", default="", help="attacks whose name holds this text")
    parser.add_argument("--documents", action="store_true", help="have hostile documents read instead")
    arguments = parser.parse_args()
    if arguments.documents:
        sys.exit(asyncio.run(read_documents()))
    chosen = {name: one for name, one in {**FLOODS, **HOLDS}.items() if arguments.only in name}
    if arguments.port and arguments.pid:
        sys.exit(attack(Target(arguments.port, arguments.pid), chosen))
    with running_stack() as stack:
        answer = subprocess.run(
            [SALAMBOT, "--project", str(stack.project), "status", "--json"], capture_output=True, check=True, text=True
        )
        gateway = json.loads(answer.stdout)["services"]["gateway"]
        sys.exit(attack(Target(int(gateway["url"].rpartition(":")[2]), gateway["pid"]), chosen))


async def read_documents() -> int:
    """Print what reading each hostile document costs; return 1 where one took longer than it may."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "services"))
    from salambot.knowledge.isolation import DOCUMENT_SECONDS, IsolatedParser
    from salambot.knowledge.parsers.base import UnreadableDocumentError

    print("| document | size | seconds | what came of it |\n|---|---:|---:|---|")
    slowest = 0.0
    async with IsolatedParser() as parser:
        for name, make in DOCUMENTS.items():
            path, content = make()
            await parser.parse("good.md", b"Bonjour")  # its process is there
            began = time.monotonic()
            try:
                came = f"{len((await parser.parse(path, content)).chunks)} passages"
            except UnreadableDocumentError as reason:
                came = str(reason)
            seconds = time.monotonic() - began
            slowest = max(slowest, seconds)
            print(f"| {name} | {len(content) / 1024:.0f} KiB | {seconds:.1f} | {came} |", flush=True)
    return int(slowest > DOCUMENT_SECONDS + 2)


def attack(target: Target, attacks: dict[str, Attack]) -> int:
    """Print the table; return 1 where something did not hold."""
    print(HEADING, flush=True)
    held = True
    for name, one in attacks.items():
        measured = measure(name, one, target)
        held = held and measured.holds
        print(measured.row(), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    main()
