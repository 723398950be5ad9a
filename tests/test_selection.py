"""The plugin of this suite: which tests are fast, in which order they run, what a retry is."""

import pytest

SUITE = """
import pytest

@pytest.fixture
def moto(): ...

@pytest.fixture
def account(moto): ...

def test_small(): ...
def test_cloud(account): ...
@pytest.mark.docker
def test_container(): ...
@pytest.mark.stack
def test_stack(): ...
"""
FLAKY = """
import pytest
from pathlib import Path

@pytest.mark.timing
@pytest.mark.parametrize("number", range({}))
def test_slow_machine(number):
    file = Path(f"ran{{number}}")
    ran = file.exists()
    file.touch()
    assert ran, "too late"
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a suite that uses the plugin."""
    pytester.makeini(
        "[pytest]\nmarkers =\n  docker: x\n  stack: x\n  timing: x\n  xdist_group: x\n  flaky: x\n"
        "asyncio_default_fixture_loop_scope = function"
    )
    pytester.makeconftest('pytest_plugins = ["tests.selection"]')
    return pytester


def test_fast_tests_are_those_that_need_nothing(suite: pytest.Pytester) -> None:
    suite.makepyfile(SUITE)
    run = suite.runpytest_inprocess("-p", "no:xdist", "--fast", "--collect-only", "-q")
    run.stdout.fnmatch_lines(["*::test_small", "*1/4 tests collected (3 deselected)*"])


def test_the_longest_units_begin(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_a=SUITE.partition("@pytest.mark.docker")[0], test_b=SUITE)
    run = suite.runpytest_inprocess("-p", "no:xdist", "--collect-only", "-q")
    run.stdout.fnmatch_lines(["test_b.py::test_container*", "test_b.py::test_stack", "test_a.py::test_small"])


def test_what_shares_a_stack_runs_in_one_worker(suite: pytest.Pytester) -> None:
    """Without its groups, xdist would give neighbours to different workers."""
    suite.makepyfile(
        "import os, pytest\n@pytest.mark.docker\n@pytest.mark.parametrize('n', range(6))\n"
        "def test_container(n): print('ran by', os.environ['PYTEST_XDIST_WORKER'])\n"
    )
    run = suite.runpytest_subprocess("-n", "2", "--dist", "loadgroup", "-p", "no:rerunfailures", "-rP")
    assert len({line for line in run.outlines if line.startswith("ran by")}) == 1


@pytest.mark.parametrize(("tests", "status"), [(1, 0), (3, 0), (4, 1)])
def test_a_retry_is_reported_and_more_than_three_fail_the_run(suite: pytest.Pytester, tests: int, status: int) -> None:
    suite.makepyfile(FLAKY.format(tests))
    run = suite.runpytest_inprocess("-p", "no:xdist", "-p", "no:cacheprovider")
    assert run.ret == status
    run.stdout.fnmatch_lines([f"*{tests} retried, of 3 that a run may retry*", "*too late*"])


def test_a_test_that_is_not_about_timing_is_never_retried(suite: pytest.Pytester) -> None:
    suite.makepyfile(FLAKY.format(1).replace("@pytest.mark.timing\n", ""))
    run = suite.runpytest_inprocess("-p", "no:xdist")
    run.assert_outcomes(failed=1)
    assert "that a run may retry" not in run.stdout.str()
