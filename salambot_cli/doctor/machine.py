"""local.disk, local.writable, local.state, local.limits, local.data: what this machine gives to a stack."""

import contextlib
import errno
import json
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from salambot_cli.doctor.probe import Probe, ProbeContext, fault, ok
from salambot_cli.host.programs import run
from salambot_cli.model.environment import Environment
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.finding import Facts, Finding
from salambot_cli.stack.runtimes.embedded import postgres_binary

_MIN_DISK = 512 * 1024 * 1024
_MIN_INODES = 500
_MIN_DESCRIPTORS = 256
_MIN_MEMORY = 700 * 1024 * 1024
_CGROUP = Path("/sys/fs/cgroup")


def _folders(environment: Environment) -> Iterator[Path]:
    """Yield where a stack writes: the project, its state, its data, which can lie on other disks."""
    state = environment.state
    return (folder for folder in (environment.project, state, state / "data", state / "logs") if folder.is_dir())


async def check_disk(exam: ProbeContext) -> Finding:
    """Is there room, and are there inodes, where the state and the databases stand?"""
    for folder in _folders(exam.environment):
        found = _no_room(folder) or _no_inodes(folder)
        if found is not None:
            return found
    free = shutil.disk_usage(exam.environment.project).free
    return ok("local.disk", f"{free // 1024**3} GB are free", free_bytes=free)


def _no_room(folder: Path) -> Finding | None:
    free = shutil.disk_usage(folder).free
    if free >= _MIN_DISK:
        return None
    evidence: Facts = {"path": str(folder), "free_bytes": free, "needed_bytes": _MIN_DISK, "kind": "space"}
    title = f"Only {free // 1024**2} MB are free on the disk of {folder}"
    return fault("local.no-disk", "local.disk", title, evidence, (f"df -h {folder}",))


def _no_inodes(folder: Path) -> Finding | None:
    facts = os.statvfs(folder)
    if not facts.f_files or facts.f_favail >= _MIN_INODES:  # some file systems have no fixed number
        return None
    evidence: Facts = {"path": str(folder), "free_inodes": facts.f_favail, "inodes": facts.f_files, "kind": "inodes"}
    title = f"Only {facts.f_favail} inodes are left on the disk of {folder}: no file can be made, though there is room"
    text = "Delete many small files (caches, node_modules, mail, sessions) on this disk; `df -i` counts inodes."
    return fault("local.no-disk", "local.disk", title, evidence, (f"df -i {folder}",), text=text)


async def check_writable(exam: ProbeContext) -> Finding:
    """Can files be made where the state stands? An unnamed one is made, which leaves nothing behind."""
    for folder in _folders(exam.environment):
        error = _refusal(folder)
        if error is not None:
            return _not_writable(folder, error)
        if folder.name == ".salambot" and (found := _not_private(folder)) is not None:
            return found
    return ok("local.writable", "The project's folder can be written")


def _refusal(folder: Path) -> OSError | None:
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600))
    except OSError as error:
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT}:
            return error
    except AttributeError:  # no O_TMPFILE on this system
        return None if os.access(folder, os.W_OK) else PermissionError(errno.EACCES, "Permission denied")
    return None


def _not_writable(folder: Path, error: OSError) -> Finding:
    why = error.strerror or str(error)
    evidence: Facts = {"path": str(folder), "errno": error.errno, "detail": why, "kind": "read-only"}
    title = f"{folder} cannot be written: {why}"
    if error.errno == errno.EROFS:
        commands: tuple[str, ...] = (f"findmnt -T {folder}",)
        text = (
            "The disk is mounted read-only: mount it read-write, or look in `dmesg` for the disk error that made it so."
        )
    elif error.errno == errno.EDQUOT:
        commands, text = ("quota -s",), "Your disk quota is used up: free space of your own, or ask for more."
    else:
        commands, text = (f"ls -ld {folder}",), "Give this user the right to write there."
    return fault("local.not-writable", "local.writable", title, evidence, commands, text=text)


def _not_private(folder: Path) -> Finding | None:
    evidence: Facts = {"path": str(folder), "kind": "owner"}
    if folder.is_symlink():
        title = f"{folder} is a symbolic link to {folder.resolve()}: nothing is put behind a link"
        return fault("local.not-writable", "local.writable", title, evidence, (f"ls -ld {folder}",))
    owner = folder.stat().st_uid
    if owner == os.geteuid():
        return None
    title = f"{folder} belongs to another user (uid {owner})"
    return fault("local.not-writable", "local.writable", title, evidence, (f"sudo chown -R $(id -u) {folder}",))


async def check_state(exam: ProbeContext) -> Finding:
    """Can the state of the last `up` be read?"""
    path = exam.environment.state / "state.json"
    if not path.exists():
        return ok("local.state", "Nothing was started here yet")
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(held, dict) and isinstance(held.get("ports"), dict) and "runtime" in held
        why = "" if whole else "its members are not those of a state"
    except (OSError, ValueError) as error:
        why = str(error)
    if not why:
        return ok("local.state", "The state of the last start can be read")
    evidence: Facts = {"path": str(path), "detail": why[:200], "bytes": path.stat().st_size}
    title = "state.json is damaged: ports and runtime of what runs are not known"
    text = "`salambot up` finds out what runs and writes it again; nothing in it is lost for good."
    return fault("local.state-broken", "local.state", title, evidence, ("salambot up",), text=text)


async def check_limits(exam: ProbeContext) -> Finding:  # noqa: ARG001 - every probe takes it
    """May processes open enough files, and is there enough memory?"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _MIN_DESCRIPTORS:
        evidence: Facts = {"soft": soft, "hard": hard, "needed": _MIN_DESCRIPTORS, "kind": "descriptors"}
        title = f"A process may open only {soft} files here; the services need {_MIN_DESCRIPTORS}"
        return fault("local.limits", "local.limits", title, evidence, (f"ulimit -n {max(1024, _MIN_DESCRIPTORS)}",))
    limit = _memory_limit()
    if limit is not None and limit < _MIN_MEMORY:
        seen: Facts = {"limit_bytes": limit, "needed_bytes": _MIN_MEMORY, "oom_kills": _oom_kills(), "kind": "memory"}
        needed = _MIN_MEMORY // 1024**2
        title = f"This machine or container may use only {limit // 1024**2} MB of memory; the stack needs {needed}"
        return fault(
            "local.limits",
            "local.limits",
            title,
            seen,
            ("free -m",),
            text="Raise the memory limit (mem_limit, MemoryMax).",
        )
    return ok("local.limits", "Files and memory suffice", descriptors=soft, oom_kills=_oom_kills())


def _memory_limit() -> int | None:
    """Return the smallest limit of this process's control groups (cgroup v2), or of the machine."""
    limits: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for folder in _groups():
        with contextlib.suppress(OSError, ValueError):
            limits.append(int((folder / "memory.max").read_text()))
    return min(limits, default=None)


def _groups() -> Iterator[Path]:
    try:
        line = next(x for x in Path("/proc/self/cgroup").read_text().splitlines() if x.startswith("0::"))
    except (OSError, StopIteration):
        return iter(())
    own = _CGROUP / line.removeprefix("0::").lstrip("/")
    return (folder for folder in (own, *own.parents) if folder.is_relative_to(_CGROUP))


def _oom_kills() -> int | None:
    """Return how many processes of our control group the kernel has killed for want of memory."""
    for folder in _groups():
        with contextlib.suppress(OSError, ValueError):
            events = dict(line.split() for line in (folder / "memory.events").read_text().splitlines())
            return int(events.get("oom_kill", 0))
    return None


async def check_data(exam: ProbeContext) -> Finding:
    """Can this SalamBot's Postgres open the local database?"""
    data = exam.environment.state / "data" / "postgres"
    version = data / "PG_VERSION"
    if not version.is_file():
        return ok("local.data", "There is no local database yet")
    found = version.read_text(encoding="utf-8", errors="replace").strip()
    try:
        said = await run(str(postgres_binary()), "--version")
    except SalamBotError:
        return ok("local.data", f"The local database is PostgreSQL {found}'s")
    wanted = said.out.split()[-1].split(".")[0] if said.out else found
    if found == wanted:
        return ok("local.data", f"The local database is PostgreSQL {found}'s")
    evidence: Facts = {"path": str(data), "made_by": found, "brought": wanted}
    title = (
        f"The local database was made by PostgreSQL {found or '?'}, and this SalamBot brings {wanted}, which "
        "cannot open it"
    )
    text = (
        "Use the SalamBot that made it to write a backup (`salambot backup`), then start afresh and restore. The "
        "command "
        "deletes the local data."
    )
    return fault("local.data-version", "local.data", title, evidence, ("salambot down --volumes",), text=text)


def _embeds(environment: Environment) -> bool:
    return environment.placement("postgres") == "local" and environment.runtime != "compose"


_GROUP = "host"
PROBES = (
    Probe("local.disk", _GROUP, "Disk", check_disk, ("local.no-disk",), cheap=True, preflight=True),
    Probe(
        "local.writable",
        _GROUP,
        "Writing",
        check_writable,
        ("local.not-writable",),
        cheap=True,
        preflight=True,
        after=("local.disk",),
    ),
    Probe("local.state", _GROUP, "State", check_state, ("local.state-broken",), cheap=True, after=("local.writable",)),
    Probe("local.limits", _GROUP, "Limits", check_limits, ("local.limits",), preflight=True),
    Probe("local.data", _GROUP, "Local data", check_data, ("local.data-version",), (), _embeds, preflight=True),
)
