"""Run one scenario and say how the doctor did."""

import ipaddress
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from salambot_cli.doctor.command import load
from salambot_cli.doctor.diagnose import Options, diagnose
from salambot_cli.doctor.report import Report
from salambot_cli.model.errors import ConfigurationError
from tests.doctor.cloud import CANARY, Parts, healthy
from tests.doctor.scenarios import Scenario


@dataclass(frozen=True)
class Outcome:
    """What the doctor said of one scenario, and how long it took."""

    scenario: Scenario
    report: Report
    seconds: float

    @property
    def exact(self) -> bool:
        """The root causes are exactly the expected ones, the warnings too, and the kind is named."""
        roots = set(self.report.root_causes)
        return roots == self.scenario.roots and self.warned == self.scenario.warns and self._kind_is_named

    @property
    def warned(self) -> set[str]:
        """The ids of warnings."""
        return {f.id for f in self.report.findings if f.status == "warn"}

    @property
    def _kind_is_named(self) -> bool:
        kinds = {f.evidence.get("kind") for f in self.report.roots}
        return self.scenario.kind is None or self.scenario.kind in kinds

    @property
    def leaks(self) -> bool:
        """A secret stands in the output."""
        return CANARY in json.dumps(self.report.as_json())

    @property
    def broken(self) -> list[str]:
        """Titles of checks that crashed or ran out of time."""
        return [f.title for f in self.report.findings if f.id.startswith("doctor.")]


async def examine(parts: Parts, scenario: Scenario) -> Outcome:
    """Build a healthy environment, break it, run the doctor over real sockets."""
    with tempfile.TemporaryDirectory(prefix="salambot-doctor-") as folder:
        async with healthy(parts, Path(folder), *scenario.topology) as cloud:
            await scenario.inject(cloud)
            problem: ConfigurationError | None = None
            try:
                environment = cloud.load()
            except ConfigurationError:
                environment, problem = load(cloud.root)
            addresses = tuple(ipaddress.ip_address(text) for text in cloud.my_ip)
            began = time.perf_counter()
            report = await diagnose(environment, options=Options(my_ip=addresses, problem=problem))
            took = time.perf_counter() - began
            ours = [f for f in report.findings if f.id != "sec.console-public" or f.evidence["port"] in cloud.consoles]
            return Outcome(scenario, replace(report, findings=tuple(ours)), took)
