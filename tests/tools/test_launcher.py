"""`./salambot` finds a Python, makes `.venv` once, says what is missing: run for real, on a package without needs."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BACKEND = """
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    if delay := os.environ.get("BUILD_SECONDS"):
        import time
        open(os.path.join(os.environ["HOME"], "building"), "w").close()
        time.sleep(float(delay))
    info, name = "salambot-0.dist-info", "salambot-0-py3-none-any.whl"
    files = {
        "entry.py": "import os, sys\\ndef main(): print('ran', *sys.argv[1:], os.environ['SALAMBOT_INVOKED_AS'])\\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: salambot\\nVersion: 0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": "[console_scripts]\\nsalambot = entry:main\\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "salambot"
version = "0"
"""


UV = Path(sys.executable).with_name("uv")


class Clone:
    """A clone of a tiny project with our launcher, and a PATH that holds what a test puts there."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.root, self.programs = folder / "clone", folder / "bin"
        for made in (self.root, self.programs, folder / "home"):
            made.mkdir()
        shutil.copy(checkout / "salambot", self.root)
        shutil.copytree(checkout / "tools", self.root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        (self.root / "pyproject.toml").write_text(PROJECT)
        (self.root / "backend.py").write_text(BACKEND)
        (self.root / "requirements.lock").write_text("")
        self.environment = {"HOME": str(folder / "home"), "PATH": str(self.programs), "LANG": "C.UTF-8"}
        for name in ("sh", "cat", "cmp", "dirname", "readlink", "id"):
            self.program(name, f'exec {shutil.which(name)} "$@"')
        self.program("uv", f'exec {UV} "$@"')

    def program(self, name: str, script: str) -> None:
        """Put a program on the PATH."""
        path = self.programs / name
        path.write_text(f"#!{shutil.which('sh')}\n{script}\n")
        path.chmod(0o755)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start the launcher."""
        return subprocess.Popen(
            ["./salambot", *arguments],
            cwd=self.root,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Run the launcher; return its status, output and error output."""
        with self.start(*arguments, **variables) as child:
            out, err = child.communicate(timeout=180)
        return child.returncode, out, err


def wait_for(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def clone(tmp_path: Path, checkout: Path) -> Clone:
    """Return a clone on a machine that has a shell, and no Python yet."""
    return Clone(tmp_path, checkout)


@pytest.fixture
def python() -> str:
    """Return a script that is the Python of these tests, outside of their virtual environment."""
    return f'exec "{Path(sys.executable).resolve()}" "$@"'


def test_the_first_run_makes_the_environment_and_the_next_only_runs(clone: Clone, python: str) -> None:
    clone.program("python3", python)
    status, out, err = clone.run("up", "--json")
    assert (status, out) == (0, "ran up --json ./salambot\n"), err
    assert "making .venv with" in err
    assert clone.run("status")[1:] == ("ran status ./salambot\n", "")


def test_a_changed_lock_moves_the_environment_on_and_a_moved_clone_is_made_anew(clone: Clone, python: str) -> None:
    clone.program("python3", python)
    clone.run()
    (clone.root / "requirements.lock").write_text("# changed\n")
    err = clone.run()[2]
    assert "installing" in err
    assert "making" not in err
    clone.root = clone.root.rename(clone.root.with_name("moved"))
    assert "making .venv with" in clone.run()[2]


def test_two_runs_at_once_make_it_once(clone: Clone, python: str) -> None:
    clone.program("python3", python)
    with clone.start("one", BUILD_SECONDS="1") as one, clone.start("two", BUILD_SECONDS="1") as two:
        answers = [child.communicate(timeout=180) for child in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0)
    assert sorted("making .venv with" in err for _, err in answers) == [False, True]
    assert sorted("waiting for another run" in err for _, err in answers) == [False, True]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_and_the_next_run_starts_over(
    clone: Clone, python: str, number: signal.Signals
) -> None:
    clone.program("python3", python)
    with clone.start(BUILD_SECONDS="30") as child:
        wait_for(Path(clone.environment["HOME"]) / "building")
        os.killpg(child.pid, number)
        _, err = child.communicate(timeout=180)
    assert child.returncode in {130, -number}, err
    assert "interrupted" in err
    assert not (clone.root / ".venv").exists()
    assert clone.run()[0] == 0


def test_a_half_made_environment_is_made_anew(clone: Clone, python: str) -> None:
    clone.program("python3", python)
    (clone.root / ".venv/bin").mkdir(parents=True)
    (clone.root / ".venv/bin/python").symlink_to(sys.executable)
    assert clone.run()[0] == 0


def test_a_failing_install_shows_the_last_lines(clone: Clone, python: str) -> None:
    clone.program("python3", python)
    (clone.root / "backend.py").write_text("raise SystemExit('the backend is broken')")
    status, _, err = clone.run()
    assert status == 3
    assert "error: the locked packages could not be installed" in err
    assert "the backend is broken" in err
    assert "Traceback" not in err.splitlines()[0]


def test_a_python_that_does_not_fit_does_not_stand_in_the_way(clone: Clone, python: str) -> None:
    clone.program("python3", "echo 3.9")
    clone.program("python3.13", "exit 127")  # a shim that stands for nothing
    clone.program("python3.11", python)
    assert clone.run()[0] == 0


NO_ENSUREPIP = """
case "$2" in
  *ensurepip*) exec {python} -c "import sys; sys.modules['ensurepip'] = None; exec(sys.argv.pop(1))" "$2" "$3" ;;
  *) exec {python} "$@" ;;
esac
"""


def test_a_python_without_ensurepip_names_the_package_and_the_command(clone: Clone) -> None:
    clone.program("python3", NO_ENSUREPIP.format(python=Path(sys.executable).resolve()))
    (clone.programs / "uv").unlink()
    without_system_python(clone)
    status, _, err = clone.run()
    sudo = "" if os.geteuid() == 0 else "sudo "
    assert status == 3
    assert "error: Python cannot make a virtual environment" in err
    assert f"fix: {sudo}apt-get install -y python3-venv" in err


def test_with_uv_a_python_without_ensurepip_will_do(clone: Clone) -> None:
    clone.program("python3", NO_ENSUREPIP.format(python=Path(sys.executable).resolve()))
    assert clone.run()[0] == 0


def test_without_a_working_uv_pip_installs_it_first(clone: Clone, python: str, tmp_path: Path) -> None:
    clone.program("python3", python)
    clone.program("uv", "exit 127")  # a shim that stands for nothing
    index = tmp_path / "index"
    index.mkdir()
    write_wheel(index, "uv", f"import os, sys\ndef main(): os.execv('{UV}', ['uv', *sys.argv[1:]])\n")
    status, out, err = clone.run("up", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index))
    assert (status, out) == (0, "ran up ./salambot\n"), err
    (clone.root / "requirements.lock").write_text("# changed\n")
    assert clone.run("up")[:2] == (0, "ran up ./salambot\n"), "pip is asked for uv once"


def test_a_cache_that_cannot_be_written_is_done_without(clone: Clone, python: str, tmp_path: Path) -> None:
    clone.program("python3", python)
    (tmp_path / "no-folder").touch()
    assert clone.run("up", UV_CACHE_DIR=str(tmp_path / "no-folder" / "cache"))[0] == 0


def test_a_package_with_another_hash_than_the_locks_is_refused(clone: Clone, python: str, tmp_path: Path) -> None:
    clone.program("python3", python)
    index = tmp_path / "index"
    index.mkdir()
    wheel = write_wheel(index, "tiny", "")
    good = hashlib.sha256(wheel.read_bytes()).hexdigest()
    offline = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(index)}
    lock = clone.root / "requirements.lock"
    lock.write_text(f"tiny==0 --hash=sha256:{good}\n")
    status, _, err = clone.run(**offline)
    assert status == 0, err
    lock.write_text(f"tiny==0 --hash=sha256:{'0' * 64}\n")
    shutil.rmtree(clone.root / ".venv")
    status, _, err = clone.run(**offline)
    assert status == 3
    assert "ash mismatch" in err


def write_wheel(folder: Path, name: str, code: str) -> Path:
    """Write a wheel of one module with a program of its own name."""
    info, wheel = f"{name}-0.dist-info", folder / f"{name}-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}_.py", code)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}_:main\n" if code else "")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def test_no_python_names_the_command(clone: Clone) -> None:
    without_system_python(clone)
    clone.program("python3", "echo 3.9")
    status, _, err = clone.run()
    assert status == 3
    assert "error: no Python 3.11, 3.12 or 3.13" in err
    assert "python3 is 3.9" in err
    assert "apt-get install -y python3 python3-venv" in err


def without_system_python(clone: Clone) -> None:
    """Look for the system's own Python where there is none: this machine may have one."""
    finder = clone.root / "tools/venv.sh"
    finder.write_text(finder.read_text().replace("/usr/bin/python3", "/nowhere/python3"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_clone_of_somebody_else_is_told(clone: Clone, python: str) -> None:
    clone.program("python3", python)
    clone.root.chmod(0o555)
    try:
        status, _, err = clone.run()
    finally:
        clone.root.chmod(0o755)
    assert status == 3
    assert "cannot write to" in err
