"""`salambot widget`: the script tag of each site, and what is still missing."""

from pathlib import Path

import pytest

from salambot_cli.host.state_file import State, write_state
from tests.stack import make_project

SITE = '[[widget.site]]\nkey = "shop"\norigins = ["https://shop.example/", "https://SHOP.example"]\n'
PUBLIC = '[env]\nPUBLIC_BASE_URL = "https://bot.example/"\n'


def test_the_tag_names_the_public_url_and_the_sites_key(tmp_path: Path) -> None:
    project = make_project(tmp_path / "shop", PUBLIC + SITE)
    tag = '<script src="https://bot.example/widget.js" data-site="shop" async></script>'
    assert project.run("widget").stdout.strip() == tag
    document = project.json("widget")
    site = {"key": "shop", "tenant": "demo", "origins": ["https://shop.example"], "tag": tag}
    assert document["sites"] == [site]
    assert document["missing"] == ["start the stack: salambot up"]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    project = make_project(tmp_path / "shop", '[placement]\ntunnel = "cloudflared"\n' + SITE)
    write_state(project.folder, State("process", {"gateway": 8123}, asked_up=True))
    document = project.json("widget")
    assert ":8123/widget.js" in document["sites"][0]["tag"]
    assert [step.split(":")[0] for step in document["missing"]] == [
        "the tag names this machine",
        "a tunnel leads to the webhooks alone",
    ]


@pytest.mark.parametrize(("words", "named"), [((), "no site may show"), (("blog",), "no site has the key blog")])
def test_a_site_that_is_not_there_is_an_error(tmp_path: Path, words: tuple[str, ...], named: str) -> None:
    project = make_project(tmp_path / "shop", SITE if words else "")
    assert named in project.run("widget", *words, status=2).stderr


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('[[widget.site]]\nkey = "shop"\norigins = []\n', "widget/site/0/origins"),
        ('[[widget.site]]\nkey = "shop"\norigins = ["https://*.shop.example"]\n', "compared as a whole"),
        ('[[widget.site]]\nkey = "Shop!"\norigins = ["https://shop.example"]\n', "widget/site/0/key"),
        (SITE + SITE, "two sites have the same key"),
        ('[widget]\nvisitor_limit = "often"\n', "widget/visitor_limit"),
        ("[widget]\ntunel = true\n", "widget/tunel"),
    ],
)
def test_wrong_settings_name_their_place(tmp_path: Path, table: str, named: str) -> None:
    project = make_project(tmp_path / "shop", table)
    assert named in " ".join(project.run("config", "validate", status=2).stderr.split())
