"""config.*, host.*, local.prereq/env/disk: what has to be right before anything is started or reached."""

import asyncio
import re
import shutil
from collections.abc import Mapping
from statistics import median

from salambot_cli.components.variables import example_of
from salambot_cli.config.validate import missing_variables
from salambot_cli.docker.engine import engine_command
from salambot_cli.doctor.origins import CONFIG
from salambot_cli.doctor.paths import greeting_of, known_variables, ways_of
from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.host.probe_tcp import Reach
from salambot_cli.host.programs import ProcessResult, run
from salambot_cli.model.environment import Environment
from salambot_cli.model.finding import Facts, Finding

_MAX_SKEW = 300.0
_MIN_DOCKER = 24


async def check_config(exam: ProbeContext) -> Finding:
    """Could `salambot.toml` and `.env` be read?"""
    problem = exam.problem
    if problem is None:
        where = exam.environment.config_file
        return ok("config.parse", f"{where.name if where else 'The default configuration'} is valid")
    evidence: Facts = {"what": problem.what, "why": problem.why[:1000]}
    return fault(
        "config.invalid",
        "config.parse",
        problem.what,
        evidence,
        ("salambot config validate",),
        text=problem.fix or None,
    )


async def check_variables(exam: ProbeContext) -> Finding:
    """Is every variable set that a placement needs? All the missing ones at once."""
    environment = exam.environment
    missing = {m.name: f"{m.component} = {m.placement}" for m in missing_variables(environment)}
    for name in missing:
        exam.condemn(name, "local.env-missing")
    if not missing:
        return ok("local.env", "Every variable that a placement needs is set")
    return not_set("local.env", missing)


def not_set(check: str, missing: Mapping[str, str]) -> Finding:
    """Name all missing variables, and who needs each."""
    names = sorted(missing)
    evidence: Facts = {"missing": names, "needed_by": [f"{name}: {missing[name]}" for name in names]}
    commands = tuple(f"(umask 077; echo '{name}={_example(name)}' >> .env)" for name in names)
    return fault("local.env-missing", check, f"Not set: {', '.join(names)}", evidence, commands)


def _example(name: str) -> str:
    """Return how a value looks, without a password's place-holder, which would be masked like a password."""
    return (example_of(name) or "…").replace("user:password@", "…@").replace(":password@", "…@")


async def check_clock(exam: ProbeContext) -> Finding:
    """This clock against the `Date` of the servers that this environment talks to anyway."""
    if exam.offline:
        return ok("host.clock", "No server outside is used to compare the clock with")
    ways = await ways_of(exam)
    # A wrong clock makes every certificate look wrong, and stops no way.
    open_ = {c: p for c, p in ways.paths.items() if p.reach in {Reach.OPEN, Reach.UNTRUSTED} and p.refusal is None}
    sources = {_SOURCES.get(check, check): path.url for check, path in open_.items()}
    answers = await asyncio.gather(*(greeting_of(exam, url) for url in sources.values()))
    skews = {name: round(told.skew) for name, told in zip(sources, answers, strict=True) if told.skew is not None}
    if not skews:
        return ok("host.clock", "No server told its time", sources=list(sources))
    return _judge_skews(skews)


_SOURCES = {"aws.credentials": "AWS", "vector.access": "vectors", "openai.access": "model", "otlp.export": "OTLP"}


def _judge_skews(skews: Mapping[str, int]) -> Finding:
    """AWS's clock is right; of the others the majority is. Two that contradict each other decide nothing."""
    middle = skews["AWS"] if "AWS" in skews else median(skews.values())
    shown = [f"{name}: {skew:+d} s" for name, skew in skews.items()]
    agreed = sum(abs(skew - middle) < _MAX_SKEW for skew in skews.values())
    if abs(middle) <= _MAX_SKEW or (agreed * 2 <= len(skews) and "AWS" not in skews):
        return ok("host.clock", "The clock is right", sources=shown)
    title = f"This clock is {abs(middle):.0f} s {'behind' if middle > 0 else 'ahead of'} the servers"
    evidence: Facts = {"skew_seconds": round(middle), "sources": shown, "sources_agreeing": agreed}
    return fault("host.clock-skew", "host.clock", title, evidence, ("sudo timedatectl set-ntp true",))


async def check_tools(exam: ProbeContext) -> Finding:
    """Are the programs there that this environment uses?"""
    environment = exam.environment
    missing: dict[str, str] = {}
    if environment.placement("tunnel") == "ngrok" and not _importable("ngrok"):
        missing["ngrok"] = "tunnel = ngrok"
    if (
        environment.placement("tunnel") == "cloudflared"
        and not shutil.which("cloudflared")
        and not _importable("pycloudflared")
    ):
        missing["cloudflared"] = "tunnel = cloudflared"
    if environment.aws.jump and not shutil.which("session-manager-plugin"):
        missing["session-manager-plugin"] = "[aws] jump"
    if environment.runtime == "compose":
        missing |= {name: "runtime = compose" for name in ("docker", "git") if not shutil.which(name)}
    if not missing:
        return ok("local.tools", "Every program that this environment uses is installed")
    evidence: Facts = {
        "missing": sorted(missing),
        "needed_by": [f"{name}: {why}" for name, why in sorted(missing.items())],
    }
    commands = tuple(_INSTALL[name] for name in sorted(missing))
    return fault("local.prereq", "local.tools", f"Not installed: {', '.join(sorted(missing))}", evidence, commands)


_INSTALL = {
    "git": "sudo apt-get install git",
    "docker": "curl -fsSL https://get.docker.com | sh",
    "cloudflared": "pip install pycloudflared",
    "ngrok": "uv pip install -e '.[ngrok]'",
    "session-manager-plugin": "open https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html",
}


def _importable(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


async def check_docker(exam: ProbeContext) -> Finding:
    """Does the engine answer, and are engine and Compose new enough? With `auto`, silence means plain processes."""
    wanted = exam.environment.runtime == "compose"
    if not shutil.which("docker"):
        return ok("local.docker", "No docker command", installed=False)
    engine, compose = await asyncio.gather(
        run("docker", "version", "--format", "{{.Server.Version}}"), run("docker", "compose", "version", "--short")
    )
    if engine.status != 0:
        return _no_engine(engine) if wanted else ok("local.docker", "No engine answers: plain processes are used")
    old = _older(engine.out, _MIN_DOCKER)
    if old is not None:
        evidence: Facts = {"docker": engine.out, "needed": f">= {_MIN_DOCKER}"}
        command = "sudo apt-get install --only-upgrade docker-ce docker-ce-cli"
        return fault("local.prereq", "local.docker", f"Docker {engine.out} is too old", evidence, (command,))
    if compose.status != 0 and not wanted:
        return ok("local.docker", f"Docker {engine.out} without Compose: plain processes are used")
    if compose.status != 0 or _older(compose.out.lstrip("v"), 2) is not None:
        seen: Facts = {"compose": compose.out or "none", "detail": compose.err[:200]}
        command = "sudo apt-get install docker-compose-plugin"
        return fault("local.prereq", "local.docker", "Docker Compose v2 is not installed", seen, (command,))
    return ok("local.docker", f"Docker {engine.out}, Compose {compose.out}")


def _no_engine(engine: ProcessResult) -> Finding:
    denied = "permission denied" in engine.err.lower()
    evidence: Facts = {"kind": "permission" if denied else "down", "detail": engine.err[:300]}
    if denied:
        commands: tuple[str, ...] = ("sudo usermod -aG docker $USER", "newgrp docker")
        title = "This user may not use Docker's socket"
        return fault("local.docker-down", "local.docker", title, evidence, commands, text="Join the group `docker`.")
    commands = (engine_command(engine.err),)
    return fault("local.docker-down", "local.docker", "The Docker engine does not answer", evidence, commands)


def _older(version: str, least: int) -> str | None:
    found = re.findall(r"\bv?(\d+)\.\d+", version)
    return version if found and int(found[-1]) < least else None


def _may_use_docker(environment: Environment) -> bool:
    return environment.runtime != "process"


_GROUP = "host"
PROBES = (
    Probe("config.parse", _GROUP, "The configuration", check_config, ("config.invalid",), cheap=True, preflight=True),
    Probe(
        "local.env",
        _GROUP,
        "Variables",
        check_variables,
        ("local.env-missing",),
        (CONFIG,),
        cheap=True,
        preflight=True,
    ),
    Probe("local.tools", _GROUP, "Programs", check_tools, ("local.prereq",), cheap=True, preflight=True),
    Probe(
        "local.docker",
        _GROUP,
        "Docker",
        check_docker,
        ("local.docker-down", "local.prereq"),
        ("local.tools",),
        _may_use_docker,
        preflight=True,
    ),
    Probe(
        "host.clock",
        _GROUP,
        "The clock",
        check_clock,
        ("host.clock-skew",),
        seconds=20,
        reads=known_variables,
    ),
)
