"""The fixture that watches for leaks sees each kind of them, and nothing where there is none."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

Run = Callable[[str], pytest.RunResult]

IMPORTS = "import atexit, os, socket, subprocess, sys, tempfile, threading, time\nimport pytest\n"
SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(60)']"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs one watched module in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run_module(body: str) -> pytest.RunResult:
        pytester.makeconftest('import tests.leaks\ntests.leaks.PATIENCE = 0.5\npytest_plugins = ["tests.leaks"]\n')
        pytester.makepyfile(IMPORTS + body)
        return pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")

    return run_module


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(f"subprocess.Popen({SLEEPER})", "process * time.sleep(60)*", id="child"),
        pytest.param(f"subprocess.Popen({SLEEPER}, start_new_session=True)", "process *", id="session of its own"),
        pytest.param(
            f"subprocess.run([sys.executable, '-c', \"import subprocess, sys; subprocess.Popen({SLEEPER})\"])",
            "process * time.sleep(60)*",
            id="orphan",
        ),
        pytest.param("global s; s = socket.create_server(('127.0.0.1', 0))", "port *", id="port"),
        pytest.param("tempfile.mkdtemp(prefix='forgotten-')", "file */forgotten-*", id="file"),
        pytest.param("os.environ['LEFT'] = 'x'", "variable LEFT", id="variable"),
        pytest.param("os.chdir('/')", "working directory /", id="working directory"),
        pytest.param("threading.Thread(target=time.sleep, args=(8,), name='left').start()", "thread left", id="thread"),
    ],
)
def test_each_kind_of_leak_fails_the_test_that_leaked(run: Run, body: str, said: str) -> None:
    result = run(f"def test_clean(): pass\ndef test_leaks():\n    {body}\n")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["this test left behind:", f"  {said}", "ERROR *::test_leaks*"])


def test_what_is_ended_in_time_is_no_leak(run: Run) -> None:
    result = run(
        f"""
def test_tidy(tmp_path):
    child = subprocess.Popen({SLEEPER})
    with tempfile.TemporaryDirectory(), socket.create_server(("127.0.0.1", 0)):
        child.kill()
    child.wait()
""",
    )
    result.assert_outcomes(passed=1)


def test_a_server_of_a_wider_fixture_may_stay_until_its_end_and_not_longer(run: Run) -> None:
    result = run(
        f"""
@pytest.fixture(scope="module")
def server():
    return subprocess.Popen({SLEEPER})

def test_one(server): pass
def test_two(server): pass
""",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["a fixture of this module or session left behind:", "  process *"])


def test_leaked_processes_are_ended(run: Run, pytester: pytest.Pytester) -> None:
    run(f"def test_leaks():\n    subprocess.Popen({SLEEPER})\n").assert_outcomes(passed=1, errors=1)
    there = {process.pid for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(pytester.path)}
    assert there <= {os.getpid()}
