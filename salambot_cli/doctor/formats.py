"""The report for programs beside JSON: JUnit XML for CI, SARIF 2.1.0 for code scanning."""

import json
from xml.etree import ElementTree as ET

from salambot_cli.doctor.entry import Entry
from salambot_cli.doctor.report import Report
from salambot_cli.model.finding import Finding

_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}


def junit(report: Report) -> str:
    """Return JUnit XML: one test case for each finding; what another explains is skipped."""
    failed = sum(f.status == "fail" for f in report.findings)
    skipped = sum(f.status in {"skipped", "unknown"} for f in report.findings)
    suite = ET.Element(
        "testsuite",
        name="salambot doctor",
        tests=str(len(report.findings)),
        failures=str(failed),
        skipped=str(skipped),
        time=f"{report.duration_ms / 1000:.3f}",
    )
    groups = {probe.id: probe.group for probe in report.probes}
    for finding in report.findings:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"doctor.{groups.get(finding.check, 'other')}",
            name=finding.id,
            time=f"{finding.duration_ms / 1000:.3f}",
        )
        if finding.status == "fail":
            ET.SubElement(case, "failure", message=_clean(finding.title), type=finding.severity).text = _clean(
                _told(finding)
            )
        elif finding.status in {"skipped", "unknown"}:
            ET.SubElement(case, "skipped", message=_clean(finding.title))
        elif finding.status == "warn":
            ET.SubElement(case, "system-out").text = _clean(_told(finding))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _told(finding: Finding) -> str:
    lines = [finding.title, *(f"{key}: {value}" for key, value in finding.evidence.items() if value)]
    if finding.remedy is not None:
        lines += [finding.remedy.text, *finding.remedy.commands]
    return "\n".join(lines)


def _clean(text: str) -> str:
    """Leave out the control characters that XML 1.0 cannot hold (section 2.2)."""
    return "".join(
        c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )


def sarif(report: Report, catalogue: dict[str, Entry], version: str) -> str:
    """Return SARIF 2.1.0 with a result for each failure and warning."""
    results = [f for f in report.findings if f.status in {"fail", "warn"} and f.caused_by is None]
    rules = {f.id: catalogue.get(f.id) for f in results}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "salambot doctor", "version": version, "rules": _rules(rules)}},
                "results": [_result(finding) for finding in results],
            }
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _rules(entries: dict[str, Entry | None]) -> list[dict[str, object]]:
    return [
        {
            "id": name,
            "shortDescription": {"text": entry.symptom if entry else name},
            "help": {"text": entry.remedy if entry else ""},
            "defaultConfiguration": {"level": _LEVELS[entry.severity] if entry else "warning"},
        }
        for name, entry in entries.items()
    ]


def _result(finding: Finding) -> dict[str, object]:
    return {
        "ruleId": finding.id,
        "level": _LEVELS[finding.severity],
        "message": {"text": _told(finding)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": "salambot.toml"}},
                "logicalLocations": [{"name": finding.check}],
            }
        ],
    }
