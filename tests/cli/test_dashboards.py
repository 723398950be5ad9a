"""`salambot dashboards push` against Grafana's API."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.grafana_server import GrafanaServer
from tests.fakes.otlp_receiver import served
from tests.stack import Project, make_project


@pytest.fixture
def grafana() -> GrafanaServer:
    return GrafanaServer()


@pytest.fixture
def project(grafana: GrafanaServer, tmp_path: Path) -> Iterator[Project]:
    with served(grafana.app()) as url:
        yield make_project(tmp_path / "shop", f'[telemetry]\ngrafana_url = "{url}"\n')


def test_every_dashboard_is_created_then_updated(project: Project, grafana: GrafanaServer) -> None:
    for version in (1, 2):
        document = project.json("dashboards", "push", GRAFANA_TOKEN=grafana.token)
        uids = {one["uid"] for one in document["dashboards"]}
        assert (
            uids == set(grafana.dashboards) == {f"salambot-{name}" for name in ("channels", "overview", "rag", "slo")}
        )
        assert set(grafana.versions.values()) == {version}
    assert grafana.folders == {"salambot": "SalamBot"}


def test_a_token_that_may_not(project: Project, grafana: GrafanaServer) -> None:
    done = project.run("dashboards", "push", status=1, GRAFANA_TOKEN="glsa_viewer")
    assert "refuses" in done.stderr
    assert "glsa_viewer" not in done.stdout + done.stderr
    assert grafana.dashboards == {}


def test_no_token_and_no_grafana(project: Project, tmp_path: Path) -> None:
    assert "GRAFANA_TOKEN is not set" in project.run("dashboards", "push", status=2).stderr
    nowhere = make_project(tmp_path / "other")
    assert "no Grafana is named" in nowhere.run("dashboards", "push", status=2).stderr


def test_a_server_that_is_no_grafana_or_is_away(project: Project, grafana: GrafanaServer) -> None:
    with served(grafana.app()) as url:
        pass
    done = project.run("dashboards", "push", "--url", url, status=1, GRAFANA_TOKEN=grafana.token)
    assert "does not answer" in done.stderr


@pytest.mark.parametrize("url", ["shop.grafana.net", "http://[", "http://127.0.0.1:99999", "https://"])
def test_what_is_no_address(project: Project, tmp_path: Path, url: str) -> None:
    done = project.run("dashboards", "push", "--url", url, status=2, GRAFANA_TOKEN="glsa_editor")
    assert "is no address of a Grafana" in done.stderr
    wrong = make_project(tmp_path / "other", f'[telemetry]\ngrafana_url = "{url}"\n')
    assert "grafana_url" in wrong.run("config", "validate", status=2).stderr


@pytest.mark.parametrize("token", ["glsa_é", "glsa_x\nHost: elsewhere", "glsa x"])
def test_a_token_that_no_header_can_hold(project: Project, grafana: GrafanaServer, token: str) -> None:
    done = project.run("dashboards", "push", status=2, GRAFANA_TOKEN=token)
    assert "GRAFANA_TOKEN is no token" in done.stderr
    assert "glsa" not in done.stdout + done.stderr
    assert grafana.dashboards == {}
