"""Report how well questions on businesses are answered, each by coefficients fitted on the others: `bench/answers.md`.

`--fit` also writes the coefficients fitted on all of them to calibration.json.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from bench.answers.business import load_businesses
from bench.answers.fit import (
    Case,
    collect,
    compare,
    fit,
    fit_folds,
    floor_for,
    leave_one_out,
    report,
    to_json,
    without_cosines,
)
from bench.answers.replies import serve, tabulate
from salambot.knowledge.embedders import open_embedder
from salambot.rag import calibration

PAGE = Path(__file__).parents[1] / "answers.md"


def main() -> None:
    """Measure with each embedder; e5 needs `salambot[local-semantic]`."""
    parser = argparse.ArgumentParser(prog="bench.answers", description=__doc__)
    parser.add_argument("--embedder", action="append", choices=("local", "e5"))
    parser.add_argument("--fit", action="store_true", help="write calibration.json")
    given = parser.parse_args()
    for name in given.embedder or ("local", "e5"):
        cases = asyncio.run(collect(load_businesses(), open_embedder(name)))
        floor, lines = measure(cases)
        print(f"\n## {name}, floor {floor:.2f}\n\n{chr(10).join(lines)}", flush=True)
        put(name, lines)
        if given.fit:
            write(name, cases, floor)


def measure(cases: Sequence[Case]) -> tuple[float, list[str]]:
    """Return the floor and the tables: whole replies, single searches at the same false rate, the decision."""
    folds = fit_folds(cases)
    outcomes = leave_one_out(cases, folds)
    floor = floor_for(outcomes)
    served = [serve(case, folds[case.business], floor) for case in cases]
    return floor, [*tabulate(served), "", *compare(outcomes, cases), "", *report(outcomes, floor)]


def write(name: str, cases: Sequence[Case], floor: float) -> None:
    """Store coefficients fitted on all businesses; those of e5 without its cosines serve any other model."""
    written = json.loads(calibration.FILE.read_text()) if calibration.FILE.exists() else {"coefficients": {}}
    written["coefficients"][name] = to_json(fit(cases), floor)
    if name == "e5":
        cases = [without_cosines(case) for case in cases]
        other = floor_for(leave_one_out(cases, fit_folds(cases)))
        written["coefficients"][calibration.OTHER] = to_json(fit(cases), other)
    calibration.FILE.write_text(json.dumps(written, indent=1) + "\n")


def put(name: str, lines: Sequence[str]) -> None:
    """Replace the tables of an embedder in the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(f"<!-- {name} -->\n")
    _, _, after = rest.partition("<!-- end -->")
    PAGE.write_text(f"{before}<!-- {name} -->\n{chr(10).join(lines)}\n<!-- end -->{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
