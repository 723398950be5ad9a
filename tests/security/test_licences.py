"""Nothing is shipped under a licence that would bind whoever ships it further."""

from pathlib import Path

import pytest

from tools.licences import licences, refused


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
