"""Make `.venv` from a lock with uv: one writer at a time, done again when it was left half made."""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

LOCKS = {
    "requirements.lock": ("requirements.lock",),
    "requirements-test.lock": ("requirements-test.lock", "requirements.lock"),
}
"""A lock -> the locks that an environment made from it satisfies."""

SELDOM_RUN = r"phonenumbers/[a-z]*data/|/tests?/|site-packages/pip/"
"""A third of all code, which is compiled when it is first imported, if it ever is."""

COMPILE = """
import compileall, re, sys
compileall.compile_dir(".venv/lib", quiet=2, workers=0, rx=re.compile(sys.argv[1]))
"""
"""What does not compile is no failure: packages ship files for newer Pythons than this one."""

FROM_PIP = {"UV_DEFAULT_INDEX": "PIP_INDEX_URL", "SSL_CERT_FILE": "PIP_CERT"}
"""uv reads none of pip's variables: what a machine is set up with for pip holds for it too."""

CLEAR_LINE = "\r\033[K"

TAIL = 15
"""How many of the last lines a failure shows."""


class Failure(Exception):  # noqa: N818 - it is shown, not caught by kind
    """What happened, why, and the command that fixes it."""

    def __str__(self) -> str:
        what, why, fix = self.args
        return f"error: {what}\n  why: {why}\n  fix: {fix}"


class Progress:
    """One line that says what is going on and for how long: redrawn on a terminal, one line a stage on a pipe."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.started = time.monotonic()
        self.text = ""

    @property
    def seconds(self) -> str:
        """The time since the start."""
        return f"{time.monotonic() - self.started:.0f} s"

    def stage(self, text: str) -> None:
        """Begin something that takes a while."""
        self.text = text
        print("" if self.live else f"{text} …\n", end="", file=sys.stderr, flush=True)
        self.draw()

    def draw(self, detail: str = "") -> None:
        """Show the present stage, its detail and the clock."""
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            print(CLEAR_LINE + f"{self.text} · {self.seconds}  {detail}"[:width], end="", file=sys.stderr, flush=True)

    def end(self, text: str) -> None:
        """Replace the line by the outcome."""
        print((CLEAR_LINE if self.live else "") + text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def only_writer(root: Path, progress: Progress) -> Iterator[int]:
    """Hold the lock on the clone. The kernel lets it go with the last process that has it, uv included."""
    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.stage("waiting for another run that is making .venv")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def origin(root: Path, lock: str) -> bytes:
    """Return what the environment is made from; tools/venv.sh compares the same bytes."""
    return b"".join([f"{root}\n".encode(), (root / lock).read_bytes(), (root / "pyproject.toml").read_bytes()])


def is_current(root: Path, lock: str) -> bool:
    """Return whether `.venv` was made whole, in this place, from this lock."""
    stamp = root / ".venv" / f"made-from-{lock}"
    return (root / ".venv/bin/python").exists() and stamp.exists() and stamp.read_bytes() == origin(root, lock)


def is_reusable(root: Path) -> bool:
    """Return whether an out-of-date `.venv` is whole, of this place and of this Python: then it is only updated."""
    stamps = list((root / ".venv").glob("made-from-*"))
    here = all(stamp.read_bytes().startswith(f"{root}\n".encode()) for stamp in stamps)
    python = root / f".venv/lib/python{sys.version_info.major}.{sys.version_info.minor}"
    return bool(stamps) and here and python.exists() and (root / ".venv/bin/python").exists()


def lines_of(child: subprocess.Popen[bytes]) -> Iterator[str | None]:
    """Yield the child's lines as they come, and None five times a second while it says nothing."""
    assert child.stdout is not None  # noqa: S101 - it was started with a pipe
    rest = b""
    while True:
        if not select.select([child.stdout], [], [], 0.2)[0]:
            yield None
            continue
        piece = os.read(child.stdout.fileno(), 65536)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)


def run_shown(command: list[str], root: Path, progress: Progress, lock: int) -> None:
    """Run a program, with its last line as the detail of the progress line."""
    settings = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}
    for ours, pips in FROM_PIP.items():
        if pips in os.environ:
            settings.setdefault(ours, os.environ[pips])
    settings.pop("PYTHONPATH", None)
    tail: list[str] = []
    detail = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=root, env=settings, pass_fds=[lock]
    ) as child:
        try:
            for line in lines_of(child):
                if line is not None:
                    tail = [*tail[1 - TAIL :], line]
                    detail = line.strip()
                progress.draw(detail)
        except KeyboardInterrupt:
            child.terminate()
            raise
    if child.returncode:
        why = "\n".join(f"    {line}" for line in tail)
        raise Failure("the locked packages could not be installed", f"the last lines:\n{why}", "the same command again")


def uv_command(uv: str, root: Path, run_program: Callable[[list[str]], None]) -> list[str]:
    """Return how to call uv: the given one, else one that pip installs into the environment."""
    if not uv:
        python, uv = str(root / ".venv/bin/python"), str(root / ".venv/bin/uv")
        if not Path(uv).exists():
            run_program([python, "-m", "ensurepip"])
            run_program([python, "-m", "pip", "install", "--progress-bar=off", "uv"])
    answer = subprocess.run([uv, "cache", "dir"], check=False, capture_output=True, text=True)
    cache = Path(answer.stdout.strip() or root)
    standing = next(folder for folder in (cache, *cache.parents) if os.access(folder, os.F_OK))
    return [uv] if standing.is_dir() and os.access(standing, os.W_OK) else [uv, "--no-cache"]


def make(root: Path, lock: str, uv: str, progress: Progress, handle: int) -> None:
    """Create or update the environment. No stamp stands while it is not whole."""

    def run_program(command: list[str]) -> None:
        run_shown(command, root, progress, handle)

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    reusable = is_reusable(root)
    for stamp in (root / ".venv").glob("made-from-*"):
        stamp.unlink()
    if not reusable:
        progress.stage(f"making .venv with Python {version} ({sys.executable})")
        venv.create(root / ".venv", clear=True, symlinks=True)
    python = str(root / ".venv/bin/python")
    progress.stage(f"installing from {lock}")
    install = [*uv_command(uv, root, run_program), "pip", "install", "--python", python, "--no-deps"]
    run_program([*install, "--require-hashes", "-r", lock])
    run_program([*install, "--no-build-isolation", "--editable", "."])
    progress.stage("compiling")  # only what is run: uv's own option compiles half as much again
    run_program([python, "-c", COMPILE, SELDOM_RUN])
    for satisfied in LOCKS[lock]:
        (root / ".venv" / f"made-from-{satisfied}").write_bytes(origin(root, satisfied))


def run(root: Path, lock: str, uv: str) -> None:
    """Make the environment unless another run just did; undo what an interrupt leaves."""
    if not os.access(root, os.W_OK):
        raise Failure(
            f"cannot write to {root}", "it is where .venv is made, and it is not yours", "clone it as yourself"
        )
    progress = Progress()
    with only_writer(root, progress) as handle:
        if is_current(root, lock):
            return
        try:
            make(root, lock, uv, progress, handle)
        except KeyboardInterrupt:
            shutil.rmtree(root / ".venv", ignore_errors=True)
            progress.end("interrupted: .venv is removed, the next run makes it")
            sys.exit(130)
        progress.end(f".venv is ready · {progress.seconds}")


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """Treat SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    try:
        run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    except (Failure, OSError) as problem:
        why = ".venv could not be made", str(problem), "fix what it names, then run the same command again"
        failure = problem if isinstance(problem, Failure) else Failure(*why)
        print(f"{CLEAR_LINE if sys.stderr.isatty() else ''}{failure}", file=sys.stderr)
        sys.exit(3)
