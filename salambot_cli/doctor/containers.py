"""local.env-missing as Compose sees it: `${NAME:?}` in a file that nothing fills in."""

import re
import shutil
from pathlib import Path

from salambot_cli.doctor.host import not_set
from salambot_cli.doctor.probe import Probe, ProbeContext, ok, unknown
from salambot_cli.host.programs import run
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Finding

CHECK = "local.compose-file"
_OWN = ("compose.local.yml",)
_PLAIN = ("docker-compose.yml", "compose.yml", "docker-compose.override.yml")
_MISSING = re.compile(r"required variable (\w+) is missing a value|variable (\w+) is not set", re.IGNORECASE)


def compose_files(environment: Environment) -> list[Path]:
    """Return the Compose files of a project: the rendered ones, else the owner's, then what is added to them."""
    root, rendered = environment.project, environment.state / "rendered"
    first = [rendered / name for name in ("docker-compose.yml", "docker-compose.override.yml")]
    base = [path for path in first if path.is_file()] or [root / name for name in _PLAIN if (root / name).is_file()]
    return base + [root / name for name in _OWN if (root / name).is_file()]


async def check_files(exam: ProbeContext) -> Finding:
    """Let Compose read the files: it names a required variable that nothing sets."""
    environment = exam.environment
    files = compose_files(environment)
    if not files or not shutil.which("docker"):
        return ok(CHECK, "No Compose file to read")
    flags = [word for path in files for word in ("-f", str(path))]
    rendered = environment.state / "rendered" / ".env"
    dotenv = ["--env-file", str(rendered)] if rendered.is_file() else []
    ran = await run("docker", "compose", *dotenv, *flags, "config", "-q", cwd=str(environment.project))
    if ran.status == 0:
        return ok(CHECK, "The Compose files are complete", files=[path.name for path in files])
    names = {a or b: "a Compose file" for a, b in _MISSING.findall(ran.err)}
    if "required variable" in ran.err and names:
        return not_set(CHECK, names)
    return unknown(CHECK, "Compose does not read the files", why=ran.err[-300:])


def _has_containers(environment: Environment) -> bool:
    return environment.runtime != "process" and bool(compose_files(environment))


PROBES = (
    Probe(
        CHECK,
        "host",
        "Compose files",
        check_files,
        ("local.env-missing",),
        ("config.parse",),
        _has_containers,
        preflight=True,
        after=("local.docker",),
    ),
)
