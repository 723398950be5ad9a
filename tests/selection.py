"""Which tests run, in which order, and how often: `--fast`, longest first, and the retries of tests about timing."""

from collections import defaultdict

import pytest

MAX_RETRIES = 3
"""A run with more retries than this fails: then it is not the machine."""
DURATIONS = "salambot/durations"
_NEEDS = {
    "docker": {"make_compose_project", "compose_stack"},
    "stack": {"local_stack", "supervisor", "ports", "targets", "wheel"},
    "cloud": {"moto"},
    "server": {"postgres_server", "valkey_server"},
}
"""A need -> the fixtures that stand for it, the costliest first. A marker of the same name says it as well."""
_MARKERS = {
    "docker": "docker",
    "browser": "stack",
    "prometheus": "stack",
    "nginx": "stack",
    "stack": "stack",
    "slow": "stack",
}
_SECONDS = {"docker": 30.0, "stack": 12.0, "cloud": 4.0, "server": 1.0, "": 0.3}
"""What a test takes, by its need."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--fast`."""
    parser.addoption(
        "--fast", action="store_true", help="only tests that need no database, Docker, cloud, browser or running stack"
    )


def need_of(item: pytest.Item) -> str:
    """Return the costliest thing a test needs, or nothing."""
    fixtures = set(getattr(item, "fixturenames", ()))
    marked = {need for marker, need in _MARKERS.items() if item.get_closest_marker(marker)}
    if item.nodeid.startswith("tests/e2e/"):
        marked.add("stack")  # of their own, where they do not share one
    return next((need for need, standing in _NEEDS.items() if need in marked or standing & fixtures), "")


def _unit_of(item: pytest.Item) -> str:
    """Return what is scheduled as one: tests that share a stack, else the tests of a module."""
    group = item.get_closest_marker("xdist_group")
    return str(group.args[0]) if group else item.nodeid.split("::")[0]


def _guess(item: pytest.Item) -> float:
    """Return the seconds a test may take that this clone has not run: a raised time limit says that it is long."""
    limit = item.get_closest_marker("timeout")
    return max(_SECONDS[need_of(item)], float(limit.args[0]) / 10 if limit else 0)


def _longest_first(items: list[pytest.Item], durations: dict[str, float]) -> None:
    """Sort the tests by what their unit takes. A unit's own order stays, for its fixtures' sake."""
    totals: dict[str, float] = defaultdict(float)
    for item in items:
        totals[_unit_of(item)] += durations.get(item.nodeid) or _guess(item)
    items.sort(key=lambda item: (-totals[_unit_of(item)], _unit_of(item)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose, mark and order the tests."""
    for item in items:
        if need_of(item) == "docker":  # the tests of one engine see each other's containers
            item.add_marker(pytest.mark.xdist_group("docker"))
        if item.get_closest_marker("timing"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    if config.getoption("--fast"):
        slow = [item for item in items if need_of(item)]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not need_of(item)]
    cache = getattr(config, "cache", None)
    _longest_first(items, cache.get(DURATIONS, {}) if cache else {})


class Tally:
    """Counts the retries and the durations of a whole run, in the process that reports it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.retried: list[str] = []
        self.durations: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of one test."""
        name = report.nodeid.rpartition("@")[0] or report.nodeid
        self.durations[name] += report.duration
        if report.outcome == "rerun":
            self.retried.append(f"{name}\n{report.longreprtext}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run with too many retries, and keep the durations for the next one's order."""
        cache = getattr(self.config, "cache", None)
        if cache and self.durations:
            cache.set(DURATIONS, cache.get(DURATIONS, {}) | {k: round(v, 2) for k, v in self.durations.items()})
        if len(self.retried) > MAX_RETRIES and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show each retry with its failure."""
        if not self.retried:
            return
        terminalreporter.section(f"{len(self.retried)} retried, of {MAX_RETRIES} that a run may retry")
        for retry in self.retried:
            terminalreporter.line(retry)


def pytest_configure(config: pytest.Config) -> None:
    """Count in the one process that sees every report."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Tally(config))
