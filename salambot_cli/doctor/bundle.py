"""`doctor --bundle`: what a helper needs to see, and nothing that is secret."""

import io
import json
import platform
import tarfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from salambot_cli import __version__
from salambot_cli.doctor.log_tail import last_lines
from salambot_cli.doctor.redact import mask_text, secrets_of
from salambot_cli.doctor.report import Report
from salambot_cli.host.files import unwritable
from salambot_cli.model.environment import Environment

_PACKAGES = ("typer", "boto3", "asyncpg", "redis", "openai", "pinecone", "fastapi", "opentelemetry-sdk")
_LOG_LINES = 200


def write_bundle(path: Path, environment: Environment, report: Report) -> None:
    """Write versions, configuration, findings and last log lines, secrets and persons masked.

    Raises:
        PrerequisiteError: the file cannot be written.
    """
    hidden = secrets_of(environment, {})
    parts = {
        "versions.json": _json(_versions()),
        "environment.json": _json(_configuration(environment)),
        "findings.json": _json(report.as_json()),
    }
    for log in sorted((environment.state / "logs").glob("*.log")):
        parts[f"logs/{log.name}"] = "\n".join(last_lines(log, _LOG_LINES)) + "\n"
    try:
        with tarfile.open(path, "w:gz") as archive:
            for name, text in parts.items():
                _add(archive, f"salambot-support/{name}", mask_text(text, hidden))
        path.chmod(0o600)
    except OSError as error:
        raise unwritable(path, error) from error


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"


def _versions() -> dict[str, str]:
    found = {"salambot": __version__, "python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _configuration(environment: Environment) -> dict[str, object]:
    return {
        "tenant": environment.tenant,
        "topology": environment.topology,
        "runtime": environment.runtime,
        "placements": dict(environment.placements),
        "ports": dict(environment.ports),
        "allow_insecure": sorted(environment.allow_insecure),
        "layers": dict(environment.layers),
        "variables": {v.name: {"value": str(v.value), "layer": v.layer} for v in environment.variables.values()},
    }
