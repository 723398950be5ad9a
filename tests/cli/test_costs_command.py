"""`salambot costs`: the estimate adds up, follows placements and usage, and names the savings."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from salambot.nlu.settings import NluSettings
from salambot_cli.config.load import load_environment
from salambot_cli.costs.estimate import estimate, prices, savings
from salambot_cli.doctor.models import DEFAULT_MODEL
from salambot_cli.model.prices import Usage
from salambot_cli.model.topology import COMPONENTS
from tests.stack import Project

PAGES = pytest.mark.parametrize("page", ["explanation/costs.md", "fr/couts.md"])
_ROW = re.compile(r"^\| [^|]+ \| ([\d, ]+) \| ([\d.,]+) \| ([\d.,]+) \| ([\d.,]+) \|$", flags=re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def costs(project: Project, *words: str) -> dict[str, Any]:
    return project.json("costs", *words)


def test_what_is_local_costs_nothing(project: Project) -> None:
    document = costs(project)
    assert document["total_usd"] == 0
    assert set(document["components"]) == set(COMPONENTS)
    assert document["savings"] == []


@PAGES
def test_the_small_calculator_of_the_pages_is_the_commands(project: Project, checkout: Path, page: str) -> None:
    rows = _ROW.findall((checkout / "docs" / page).read_text(encoding="utf-8"))
    assert len(rows) == 3
    for messages, *figures in rows:
        document = costs(project, "--topology", "t1", "--messages", re.sub(r"\D", "", messages))
        model, total = document["components"]["llm"]["usd"], document["total_usd"]
        told = [float(figure.replace(",", ".")) for figure in figures]
        assert told == [round(model, 0 if model >= 1 else 1), round(total - model), round(total)]


@PAGES
def test_the_pages_tell_the_prices_that_the_command_counts_with(project: Project, checkout: Path, page: str) -> None:
    text = (checkout / "docs" / page).read_text(encoding="utf-8").replace(",", ".")
    components = costs(project, "--topology", "t1,t3")["components"]
    about = [float(figure.strip()) for figure in re.findall(r"^\| .*?`.*?\|([ \d.]+)\|", text, flags=re.MULTILINE)]
    assert about == [round(components[name]["usd"]) for name in ("postgres", "redis", "llm")]
    model = str(NluSettings.model_fields["openai_model"].default)
    assert components["llm"]["what"].endswith(model)
    assert f"`{model}`" in text
    assert re.search(r"0\.40\s(and|et)\s1\.60", text)


def test_the_doctor_asks_the_model_that_the_service_asks() -> None:
    assert NluSettings.model_fields["openai_model"].default == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("component", "item"), [(name, item) for name, table in prices().tables.items() for item in table]
)
def test_no_price_stands_unused(tmp_path: Path, component: Any, item: str) -> None:  # noqa: ANN401 - a component
    placements = {"vector": ("pinecone", "qdrant"), "tunnel": ("cloudflared", "ngrok")}.get(component, ("",))
    dearer = {name: dict(table) for name, table in prices().tables.items()}
    dearer[component][item] += 1
    told = set()
    for placement in placements:
        given = {f"placement.{component}": placement} if placement else {}
        environment = load_environment(tmp_path, {"topology": ["t1", "t3"], **given}, environ={})
        for table in (prices(), replace(prices(), tables=dearer)):
            lines, cheaper = estimate(environment, Usage(), table), savings(environment, Usage(), table)
            told.add((*lines, *cheaper))
    assert len(told) > len(placements)


def test_the_sum_is_of_its_parts_and_dated(project: Project) -> None:
    document = costs(project, "--topology", "t1,t3")
    assert document["total_usd"] == pytest.approx(sum(part["usd"] for part in document["components"].values()))
    assert document["prices"] == {"date": prices().date, "region": "eu-west-1"}
    assert document["components"]["secrets"]["usd"] == pytest.approx(1.4)
    assert document["components"]["postgres"]["usd"] == pytest.approx(730 * (0.018 + 0.005) + 20 * 0.127, abs=0.01)


def test_replies_cost_what_their_tokens_cost(project: Project) -> None:
    few, many = (
        costs(project, "--topology", "t2", "--messages", number)["components"]["llm"]["usd"]
        for number in ("1000", "100000")
    )
    assert few == pytest.approx(1000 * (600 * 0.40 + 150 * 1.60) / 1e6)
    assert many == pytest.approx(100 * few)


@pytest.mark.parametrize("size", ["inf", "nan", "-1"])
def test_a_size_that_is_none_is_a_usage_error(project: Project, size: str) -> None:
    project.run("costs", "--documents", size, status=2)


def test_the_savings_of_each_component_are_named(project: Project) -> None:
    said = costs(project, "--topology", "t1")["savings"]
    words = " ".join(saving["what"] for saving in said)
    for name in ("Aurora Serverless v2", "cache.t4g.micro", "Intelligent-Tiering", "p1.x1", "top_k", "stop RDS"):
        assert name in words
    assert "cache.t4g.small" not in words
    parts = costs(project, "--topology", "t1")["components"]
    assert all(0 < (saving["usd"] or 0.01) <= parts[saving["component"]]["usd"] for saving in said)
    assert "List prices of" in project.run("costs", "--topology", "t1").stderr
