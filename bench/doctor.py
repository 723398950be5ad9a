"""Score the doctor on every scenario: `python -m bench.doctor > bench/doctor.md`."""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.doctor.cloud import running
from tests.doctor.examine import Outcome, examine
from tests.doctor.scenarios import SCENARIOS, Scenario

_LONGEST_WHEN_WELL = 5.0


async def score(only: str, folder: Path) -> list[Outcome]:
    """Run the scenarios one after the other."""
    start = next((i for i, s in enumerate(SCENARIOS) if s.name == only), None)
    chosen = SCENARIOS[start:] if start is not None else [s for s in SCENARIOS if only in s.name]
    outcomes: list[Outcome] = []
    with running(folder) as parts:
        for scenario in chosen:
            outcomes.append(await examine(parts, scenario))
            _progress(outcomes[-1])
    return outcomes


def _progress(outcome: Outcome) -> None:
    mark = "ok  " if outcome.exact and not outcome.broken and not outcome.leaks else "MISS"
    print(f"{mark} {outcome.seconds:5.2f} s  {outcome.scenario.name}", file=sys.stderr)
    if mark == "MISS":
        for finding in outcome.report.findings:
            if finding.status in {"fail", "warn"} or finding.id.startswith("doctor."):
                print(
                    f"       {finding.status} {finding.id}: {finding.title} {dict(finding.evidence)}", file=sys.stderr
                )


def table(outcomes: list[Outcome]) -> str:
    """Return the Markdown page."""
    well = [o for o in outcomes if o.scenario.name.startswith("healthy")]
    faults = [o for o in outcomes if o not in well]
    exact = sum(o.exact for o in faults)
    named = sum(len(set(o.report.root_causes) & o.scenario.roots) for o in faults)
    told = sum(len(o.report.root_causes) for o in faults)
    wanted = sum(len(o.scenario.roots) for o in faults)
    longest = max((o.seconds for o in well), default=0)
    lines = [
        "# How well the doctor names root causes",
        "",
        "Made by `python -m bench.doctor > bench/doctor.md`. Each fault is really made, over real",
        "sockets: PostgreSQL, Valkey, moto as AWS, protocol servers (`tests/doctor/scenarios.py`). The scenarios",
        "are the project's own, and the doctor was written beside them: expect less on unseen ones.",
        "",
        "| measure | value |",
        "|-|-|",
        f"| faults, exact set of root causes | {exact} of {len(faults)} ({100 * exact / max(1, len(faults)):.1f} %) |",
        f"| precision and recall of root causes | {named / max(1, told):.3f} and {named / max(1, wanted):.3f} |",
        f"| healthy environments with a finding | {sum(not o.exact for o in well)} of {len(well)} |",
        f"| secrets in the output | {sum(o.leaks for o in outcomes)} |",
        f"| checks that crashed or ran out of time | {sum(len(o.broken) for o in outcomes)} |",
        f"| longest run when all is well (goal: {_LONGEST_WHEN_WELL:g} s) | {longest:.1f} s |",
        f"| median run with a fault | {statistics.median([o.seconds for o in faults] or [0]):.1f} s |",
        "",
        "| scenario | topology | root causes | exact | s |",
        "|-|-|-|-|-|",
    ]
    lines += [_row(outcome) for outcome in outcomes]
    return "\n".join(lines) + "\n"


def _row(outcome: Outcome) -> str:
    scenario: Scenario = outcome.scenario
    expected = ", ".join(sorted(scenario.roots | scenario.warns)) or "none"
    told = ", ".join(outcome.report.root_causes) or "none"
    mark = "yes" if outcome.exact else f"**no**: {told}"
    name = scenario.name.replace("_", " ")
    return f"| {name} | {'+'.join(scenario.topology)} | {expected} | {mark} | {outcome.seconds:.1f} |"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="part of a scenario's name")
    only: str = parser.parse_args().only
    os.environ |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    with tempfile.TemporaryDirectory(prefix="salambot-bench-", ignore_cleanup_errors=True) as folder:
        outcomes = asyncio.run(score(only, Path(folder)))
    print(table(outcomes), end="")


if __name__ == "__main__":
    main()
