"""What the doctor says: documents, formats, masks, the ignore list, the page."""

import json
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salambot_cli.doctor.catalogue import CATALOGUE
from salambot_cli.doctor.catalogue_page import page, section
from salambot_cli.doctor.formats import junit, sarif
from salambot_cli.doctor.log_tail import without_persons
from salambot_cli.doctor.lookalikes import lookalikes
from salambot_cli.doctor.pii_and_exposure import in_log
from salambot_cli.doctor.probe import fault, ok, unknown
from salambot_cli.doctor.probes import PROBES
from salambot_cli.doctor.redact import mask_finding, mask_text
from salambot_cli.doctor.report import Report, valid_ignores
from salambot_cli.doctor.telemetry import parse_headers
from salambot_cli.doctor.text_report import group_line, summary
from salambot_cli.model.environment import Ignore
from salambot_cli.model.finding import Finding, Remedy


@pytest.fixture
def report() -> Report:
    broken = fault(
        "net.dns", "rds.dns", "The name x is not known\x00", {"host": "x", "kind": "name"}, ("getent hosts x",)
    )
    waiting = Finding("rds.network", "rds.network", "skipped", "waits", caused_by="net.dns")
    warning = fault("cost.idle", "cost.hints", "idle", {}, status="warn")
    findings = (
        broken,
        waiting,
        warning,
        ok("local.disk", "room"),
        unknown("sec.trail", "not seen", why="AccessDenied"),
    )
    return Report(findings, PROBES, 1200)


def test_the_document_has_the_members_of_the_contract(report: Report) -> None:
    document = json.loads(json.dumps(report.as_json()))

    assert (document["schema_version"], document["status"], document["root_causes"]) == ("1.0", "fail", ["net.dns"])
    members = {"id", "check", "status", "title", "evidence", "caused_by", "remedy", "duration_ms"}
    assert all(members <= finding.keys() for finding in document["findings"])
    assert document["findings"][0]["remedy"]["commands"] == ["getent hosts x"]
    assert {finding["status"] for finding in document["findings"]} == {"ok", "warn", "fail", "skipped", "unknown"}
    assert document["time"].endswith("Z")


def test_junit_is_xml_with_one_failure(report: Report) -> None:
    suite = ET.fromstring(junit(report))

    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "1", "2")
    assert [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None] == ["net.dns"]


def test_sarif_names_rule_and_level(report: Report) -> None:
    (run,) = json.loads(sarif(report, CATALOGUE, "1.0"))["runs"]

    assert [(r["ruleId"], r["level"]) for r in run["results"]] == [("net.dns", "error"), ("cost.idle", "note")]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {"net.dns", "cost.idle"}


def test_people_read_what_is_wrong_in_full_and_what_is_fine_in_a_line(report: Report) -> None:
    text = "\n".join(summary(report))

    assert "getent hosts x" in text
    assert "waits" not in text
    assert group_line("host", [ok("a", "x"), ok("b", "y")]).count("\n") == 0


def test_the_page_is_complete_and_committed(checkout: Path) -> None:
    assert (checkout / "docs" / "doctor.md").read_text() == page()
    for name, entry in CATALOGUE.items():
        assert f"## {name}\n" in page()
        assert all((entry.symptom, entry.told_by, entry.remedy))


_SPECIFIED = (
    "local.docker-down local.prereq local.env-missing local.port-busy local.unhealthy host.clock-skew "
    "aws.no-credentials aws.bad-credentials net.dns net.no-route net.egress-blocked net.refused "
    "net.tls-untrusted rds.stopped rds.not-public rds.sg-missing-my-ip rds.subnet-path "
    "rds.aurora-resuming rds.wrong-service rds.tls-required rds.bad-password rds.wrong-db "
    "rds.no-privilege rds.too-many-connections rds.schema-missing rds.slow-storage redis.outside-vpc "
    "redis.tls-mismatch redis.auth redis.acl-noperm redis.noeviction redis.replica-endpoint s3.not-found "
    "s3.iam-denied s3.policy-deny s3.kms-denied secret.unavailable secret.stale vector.bad-key "
    "vector.index-missing vector.dim-mismatch vector.far-region openai.quota tunnel.down "
    "tunnel.origin-down tunnel.ephemeral webhook.bad-hmac otlp.wrong-path otlp.unauthorized otlp.protocol "
    "otlp.redirect-loss otlp.throttled metrics.missing sec.open-world sec.unencrypted sec.cloudtrail-off "
    "sec.console-public sec.weak-credentials sec.pii-telemetry cost.idle "
)


@pytest.mark.parametrize("name", _SPECIFIED.split())
def test_every_specified_fault_has_an_entry_and_a_probe(name: str) -> None:
    assert name in CATALOGUE
    assert any(name in probe.finds for probe in PROBES)


@given(st.text(min_size=6), st.text(), st.text())
def test_a_known_secret_never_stands_in_a_finding(secret: str, before: str, after: str) -> None:
    text = f"{before}{secret}{after}"
    finding = Finding("a", "a", "fail", text, {"x": text, "y": [text]}, Remedy(text, (text,)))

    masked = mask_finding(finding, frozenset({secret}))

    assert masked.remedy is not None
    shown = [
        masked.title,
        str(masked.evidence["x"]),
        *masked.evidence["y"],
        masked.remedy.text,
        *masked.remedy.commands,
    ]  # type: ignore[misc,index]
    assert all(secret not in part.replace("••••••", "\n") for part in shown)


def test_the_userinfo_of_any_url_is_masked() -> None:
    assert mask_text("postgres://a:b@h/db", ()) == "postgres://••••••@h/db"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to a.b@example.ma", "email"),
        ("+212 6 12 34 56 78", "phone"),
        ("0612345678", "phone"),
        ("carte AB123456", "cin"),
        ("MA64 0115 1900 0001 2050 0053 4921", "iban"),
    ],
)
def test_persons_do_not_stand_in_log_lines(text: str, kind: str) -> None:
    assert f"[{kind}]" in without_persons(text)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00.123Z", "pid 12345 took 0.612345678 s", "sg-0123456789abcdef0"])
def test_times_and_ids_are_no_persons(text: str) -> None:
    assert without_persons(text) == text


def test_an_ignore_ends_on_its_day() -> None:
    entries = (Ignore("a", "why"), Ignore("b", "why", "2026-01-02"), Ignore("c", "why", "2026-01-01"))

    assert [e.id for e in valid_ignores(entries, date(2026, 1, 2))] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "headers", "dropped"),
    [
        ("Authorization=Basic%20YTpi", {"authorization": "Basic YTpi"}, []),
        ("Authorization: Basic YTpi", {}, ["Authorization"]),
        ("a=1, b=2", {"a": "1", "b": "2"}, []),
        ("", {}, []),
    ],
)
def test_otlp_headers_are_read_as_the_sdk_reads_them(text: str, headers: dict[str, str], dropped: list[str]) -> None:
    assert parse_headers(text) == (headers, dropped)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('{"event":"index","build":"BK123456","code":"EC123456"}', None),
        ('{"event":"reply","cin":"BK123456"}', "field cin of x.log"),
        ('{"event":"reply","text":"ma carte est BK123456 merci"}', "field text of x.log"),
        ('{"event":"reply","text":"0612345678"}', "field text of x.log"),
        ('{"event":"listen","address":"127.0.0.1:50612","pid":612345}', None),
        ("INFO a person wrote from sara@example.com", "lines of x.log"),
    ],
)
def test_a_code_in_a_log_is_no_person(line: str, place: str | None) -> None:
    assert next(iter(in_log("x.log", line)), None) == place


def test_no_two_faults_are_told_by_the_same_observation() -> None:
    observations = [entry.told_by for entry in CATALOGUE.values()]

    assert len(set(observations)) == len(observations)


def test_every_look_alike_is_in_the_catalogue_and_looks_back() -> None:
    pairs = {(name, other) for name in CATALOGUE for other in lookalikes(name)}

    assert pairs
    assert all(other in CATALOGUE and (other, name) in pairs for name, other in pairs)


def test_explain_names_what_looks_like_a_fault_and_what_separates_them() -> None:
    text = section(CATALOGUE["otlp.rejected"])

    assert f"- `otlp.redirect-loss`: {CATALOGUE['otlp.redirect-loss'].told_by}" in text
