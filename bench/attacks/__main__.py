"""`python -m bench.attacks [PORT PID]` attacks a listener, of a stack of its own by default, and prints the table."""

import argparse
import json
import subprocess
import sys

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
    arguments = parser.parse_args()
    chosen = {name: one for name, one in {**FLOODS, **HOLDS}.items() if arguments.only in name}
    if arguments.port and arguments.pid:
        sys.exit(attack(Target(arguments.port, arguments.pid), chosen))
    with running_stack() as stack:
        answer = subprocess.run(
            [SALAMBOT, "--project", str(stack.project), "status", "--json"], capture_output=True, check=True, text=True
        )
        gateway = json.loads(answer.stdout)["services"]["gateway"]
        sys.exit(attack(Target(int(gateway["url"].rpartition(":")[2]), gateway["pid"]), chosen))


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
