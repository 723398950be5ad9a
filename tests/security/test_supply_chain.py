"""What is shipped has no known vulnerability and no licence that binds who ships it further; the SBOM lists it."""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from aiohttp import web

from tests.doctor.wires import answers, http
from tools.licences import licences, refused

pytestmark = pytest.mark.slow


def test_every_locked_package_may_be_shipped(checkout: Path) -> None:
    found = licences(checkout / "requirements.lock")
    assert len(found) > 50
    assert refused(found) == {}


@pytest.mark.parametrize(
    ("licence", "fits"),
    [
        ("MIT", True),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", True),
        ("LGPL-3.0-or-later", True),
        ("GPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("AGPL-3.0-or-later", False),
        ("GNU Affero General Public License v3", False),
        ("BUSL-1.1", False),
        ("", False),
    ],
)
def test_what_may_be_shipped(licence: str, fits: bool) -> None:
    assert (refused({"package": licence}) == {}) is fits


VULNERABLE = "orjson"


async def osv(request: web.Request) -> web.Response:
    """Answer as OSV's API does: one package has a vulnerability."""
    name = (await request.json())["package"]["name"]
    fixed = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}
    affected = [{"package": {"ecosystem": "PyPI", "name": name}, "ranges": [fixed]}]
    found = [{"id": "PYSEC-2099-1", "summary": "made up", "affected": affected}]
    return web.json_response({"vulns": found} if name == VULNERABLE else {})


def audit(checkout: Path, sbom: Path, *locks: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run the command of docs/security/audit.md."""
    command = [checkout / "tools" / "audit", sbom, *locks]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, timeout=300, check=False)


def by_osv(checkout: Path, sbom: Path, port: int) -> "subprocess.CompletedProcess[str]":
    """Have it ask another advisory service about two packages."""
    lock = sbom.with_name("tiny.lock")
    lock.write_text("".join(f"{name}==1.0 --hash=sha256:{'0' * 64}\n" for name in (VULNERABLE, "tzdata")))
    url = f"http://127.0.0.1:{port}/v1/query"
    return audit(
        checkout, sbom, lock, PIP_AUDIT_VULNERABILITY_SERVICE="osv", PIP_AUDIT_OSV_URL=url, NO_PROXY="127.0.0.1"
    )


def test_nothing_locked_has_a_known_vulnerability(checkout: Path, tmp_path: Path) -> None:
    done = audit(checkout, tmp_path / "sbom.json")
    if done.returncode == 3:
        pytest.skip(f"needs the index's advisories: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(600)
async def test_a_known_vulnerability_is_a_failure_and_the_sbom_lists_the_image(checkout: Path, tmp_path: Path) -> None:
    async with http(osv) as port:
        done = await asyncio.to_thread(by_osv, checkout, tmp_path / "sbom.json", port)
    assert done.returncode == 1, done.stderr
    assert re.search(rf"{VULNERABLE}\s+\S+\s+PYSEC-2099-1\s+99.0", done.stdout)
    components = json.loads((tmp_path / "sbom.json").read_text())["components"]
    lock = (checkout / "services" / "requirements.lock").read_text()
    assert {each["name"] for each in components} == set(re.findall(r"^([\w.-]+)(?:\[.*?\])?==", lock, re.MULTILINE))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("status", "ends_with"), [(200, 0), (500, 3)])
async def test_what_could_not_be_looked_up_is_no_clean_bill(
    checkout: Path, tmp_path: Path, status: int, ends_with: int
) -> None:
    async with http(answers(status)) as port:
        done = await asyncio.to_thread(by_osv, checkout, tmp_path / "sbom.json", port)
    assert done.returncode == ends_with, done.stderr
