"""`salambot doctor` as people and scripts run it."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from salambot_cli.doctor.command import load
from salambot_cli.host.state_file import State, write_state
from tests.doctor.wires import closed_port
from tests.warm import run_warm


class Doctor:
    """The command in a project of its own."""

    def __init__(self, project: Path, checkout: Path) -> None:
        self.project = project
        names = ("orchestrateur", "nlu", "rag", "gateway")
        self.ports = "[ports]\n" + "".join(f"{name} = {closed_port()}\n" for name in names)
        self.configure()
        keep = ("PATH", "TMPDIR", "HOME", "SALAMBOT_TEST_WORKER")
        self.environ = {name: os.environ[name] for name in keep if name in os.environ}
        self.environ |= {"PYTHONPATH": str(checkout), "NO_COLOR": "1", "AWS_EC2_METADATA_DISABLED": "true"}

    def configure(self, text: str = "") -> None:
        """Write salambot.toml: `text` before the ports."""
        (self.project / "salambot.toml").write_text(f"{text}\n{self.ports}")

    def run(
        self, *arguments: str, stdin: str = "", before: tuple[str, ...] = (), **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `salambot doctor …`; `before` are the words of a program that runs it."""
        if not before:
            return run_warm(("doctor", *arguments), self.project, self.environ | environ, stdin, 120)
        return subprocess.run(
            [*before, sys.executable, "-m", "salambot_cli", "doctor", *arguments],
            cwd=self.project,
            env=self.environ | environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def doctor(tmp_path: Path, checkout: Path) -> Doctor:
    return Doctor(tmp_path, checkout)


def test_all_is_well(doctor: Doctor) -> None:
    ran = doctor.run()

    assert ran.returncode == 0, ran.stderr
    assert "No root cause found" in ran.stdout
    assert not ran.stderr


def test_one_document_and_status_1_with_a_root_cause(doctor: Doctor) -> None:
    doctor.configure('topology = "t2"\n[placement]\ntunnel = "none"\n')

    ran = doctor.run("--json")

    document = json.loads(ran.stdout)
    assert ran.returncode == 1
    assert "local.env-missing" in document["root_causes"]
    missing = next(f for f in document["findings"] if f["id"] == "local.env-missing")
    assert set(missing["evidence"]["missing"]) >= {"S3_BUCKET", "OPENAI_API_KEY", "OTEL_EXPORTER_OTLP_ENDPOINT"}


def test_a_configuration_that_does_not_parse_is_a_finding(doctor: Doctor) -> None:
    (doctor.project / "salambot.toml").write_text("tenant = \n")

    ran = doctor.run("--format", "json")

    document = json.loads(ran.stdout)
    assert (ran.returncode, document["root_causes"]) == (1, ["config.invalid"])
    assert any(f["check"] == "local.disk" and f["status"] == "ok" for f in document["findings"])


def test_an_ignored_finding_is_listed_with_its_reason(doctor: Doctor) -> None:
    ignore = '[[doctor.ignore]]\nid = "local.env-missing"\nreason = "not yet"\nuntil = "2999-01-01"\n'
    doctor.configure(f'topology = "t3"\n{ignore}')

    document = json.loads(doctor.run("--json", "local.env").stdout)

    assert document["root_causes"] == []
    assert document["ignored"] == [{"id": "local.env-missing", "reason": "not yet", "until": "2999-01-01"}]


@pytest.mark.parametrize("arguments", [("--list",), ("--explain", "net.dns"), ("host.clock",), ("--group", "host")])
def test_smaller_questions(doctor: Doctor, arguments: tuple[str, ...]) -> None:
    assert doctor.run(*arguments).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--explain", "net.dsn"), "net.dns"),
        (("rds.netwrok",), "rds.network"),
        (("--group", "nothing"), "host"),
        (("--my-ip", "here"), "--my-ip"),
    ],
)
def test_an_unknown_name_is_a_usage_error_with_a_hint(doctor: Doctor, arguments: tuple[str, ...], hint: str) -> None:
    ran = doctor.run(*arguments)

    assert ran.returncode == 2
    assert hint in ran.stderr


def test_junit_and_sarif_are_the_only_output(doctor: Doctor) -> None:
    assert doctor.run("--format", "junit").stdout.startswith("<?xml")
    assert json.loads(doctor.run("--format", "sarif").stdout)["version"] == "2.1.0"


def test_the_bundle_holds_no_secret(doctor: Doctor) -> None:
    logs = doctor.project / ".salambot" / "logs"
    logs.mkdir(parents=True)
    (logs / "gateway.log").write_text("started with sk-very-secret-value for a.b@example.ma\n")
    (doctor.project / ".env").write_text("OPENAI_API_KEY=sk-very-secret-value\n")

    doctor.run("--bundle", "support.tar.gz")

    with tarfile.open(doctor.project / "support.tar.gz") as archive:
        texts = {m.name: archive.extractfile(m).read().decode() for m in archive.getmembers()}  # type: ignore[union-attr]
    assert {Path(name).name for name in texts} == {"versions.json", "environment.json", "findings.json", "gateway.log"}
    assert not any("very-secret" in text or "example.ma" in text for text in texts.values())


def fake_docker(project: Path, script: str) -> str:
    """Put a `docker` of our own before all others; return the PATH."""
    folder = project / "bin"
    folder.mkdir()
    (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "docker").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ('[ "$1" = compose ] && echo 2.29.1 || echo 23.0.1', "local.prereq"),
        ('[ "$1" = compose ] && exit 1 || echo 26.1.5', "local.prereq"),
        ('echo "Cannot connect to the Docker daemon" >&2; exit 1', "local.docker-down"),
        ('echo "permission denied while trying to connect" >&2; exit 1', "local.docker-down"),
    ],
)
def test_docker_that_cannot_be_used(doctor: Doctor, script: str, found: str) -> None:
    doctor.configure('runtime = "compose"')
    path = fake_docker(doctor.project, script)

    assert json.loads(doctor.run("--json", PATH=path).stdout)["root_causes"] == [found]


def test_an_engine_that_is_silent_is_no_fault_where_nobody_asked_for_it(doctor: Doctor) -> None:
    path = fake_docker(doctor.project, "exit 1")

    assert doctor.run(PATH=path).returncode == 0


def test_compose_names_the_variable_that_nobody_sets(doctor: Doctor) -> None:
    doctor.configure('runtime = "compose"')
    words = "required variable META_TOKEN is missing a value: set it"
    path = fake_docker(
        doctor.project,
        f'case "$*" in *config*) echo "{words}" >&2; exit 15;; *compose*) echo 2.29.1;; *) echo 26.1.5;; esac',
    )
    (doctor.project / "compose.local.yml").write_text("services:\n  x:\n    image: ${META_TOKEN:?set it}\n")

    document = json.loads(doctor.run("--json", PATH=path).stdout)

    assert document["root_causes"] == ["local.env-missing"]
    assert "META_TOKEN" in json.dumps(document["findings"])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a network namespace")
def test_without_a_route_nothing_else_is_blamed(doctor: Doctor) -> None:
    doctor.configure('[placement]\npostgres = "cloud"\nredis = "cloud"\n')
    doctor.environ |= {
        "POSTGRES_URL": "postgresql://a:b@192.0.2.7/x?sslmode=verify-full",
        "REDIS_URL": "rediss://192.0.2.8",
    }

    ran = doctor.run("--json", "--offline", before=("unshare", "-n"))

    assert json.loads(ran.stdout)["root_causes"] == ["net.no-route"]


def test_a_proxy_that_is_gone_is_named(doctor: Doctor) -> None:
    doctor.configure('[placement]\ntelemetry = "otlp"\n')
    proxy = closed_port()

    ran = doctor.run(
        "--json",
        OTEL_EXPORTER_OTLP_ENDPOINT="https://otlp.example.ma/otlp",
        HTTPS_PROXY=f"http://127.0.0.1:{proxy}",
    )

    document = json.loads(ran.stdout)
    (cause,) = [f for f in document["findings"] if f["status"] == "fail"]
    assert (cause["id"], cause["evidence"]["port"], cause["evidence"]["variable"]) == (
        "net.refused",
        proxy,
        "HTTPS_PROXY",
    )


def test_a_tunnel_that_up_was_told_not_to_open_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "salambot.toml").write_text('[placement]\ntunnel = "ngrok"\n')
    flags: dict[str, object] = {"placement.tunnel": "none", "tenant": "riad", "topology": ["local"]}
    write_state(tmp_path, State("process", {}, asked_up=True, flags=flags))

    environment, problem = load(tmp_path)

    assert problem is None
    assert (environment.placement("tunnel"), environment.tenant) == ("ngrok", "riad")


def test_simulate_asks_nothing_and_says_what_it_would(doctor: Doctor) -> None:
    doctor.configure('topology = "t2"')
    environ = {
        "AWS_ENDPOINT_URL": "https://aws.invalid",
        "S3_BUCKET": "salambot-kb",
        "OPENAI_API_KEY": "sk-" + "a" * 24,
    }

    ran = doctor.run("s3.access", "--simulate", "--json", **environ)

    assert ran.returncode == 0, ran.stderr
    asked = {question["check"]: question for question in json.loads(ran.stdout)["questions"]}
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} <= set(asked["s3.access"]["permissions"])
    assert asked["s3.access"]["hosts"] == ["aws.invalid:443"]
    assert "aws.credentials" in asked  # what it needs is asked too
