"""A named environment beside the project's own: each is started, looked at and stopped without the other noticing."""

from collections.abc import Iterator

import pytest

from tests.stack import Project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("local-stack"), pytest.mark.timeout(600)]
# The first test of the group starts the stack within its own limit.


@pytest.fixture
def project(local_stack: Project) -> Iterator[Project]:
    """Return the usual stack, whose project has a second environment for one test."""
    file = local_stack.folder / "salambot.toml"
    before = file.read_text()
    file.write_text(f'{before}\n[env.second]\ntenant = "second"\n')
    yield local_stack
    local_stack.run("down", "--volumes", "--yes", "--env", "second")
    file.write_text(before)


def test_a_second_environment_runs_beside_the_first(project: Project) -> None:
    first = project.json("status")
    assert project.json("status", "--env", "second")["status"] == "down"
    second = project.json("up", "nlu", "--env", "second")["services"]["nlu"]
    assert second["health"] == "healthy"
    own = first["services"]
    assert second["pid"] != own["nlu"]["pid"]
    assert second["url"] not in {service["url"] for service in own.values()}
    seen = project.json("status", "--env", "second")
    assert (seen["environment"], seen["tenant"]) == ("second", "second")
    assert (project.state / "environments" / "second").stat().st_mode & 0o777 == 0o700

    project.run("down", "--env", "second")
    after = project.json("status")
    assert (after["status"], after["environment"], after["pending"]) == ("ready", "local", [])
    assert {name: part["pid"] for name, part in after["services"].items()} == {
        name: part["pid"] for name, part in own.items()
    }
