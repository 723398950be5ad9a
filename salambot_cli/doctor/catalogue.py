"""The fault catalogue in words. `docs/doctor.md` and `doctor --explain` are made from these entries."""

from salambot_cli.doctor.catalogue_cloud import CLOUD
from salambot_cli.doctor.catalogue_host import HOST
from salambot_cli.doctor.entry import Entry

CATALOGUE: dict[str, Entry] = {entry.id: entry for entry in (*HOST, *CLOUD)}


def find_entry(finding_id: str) -> Entry:
    """Return the entry of a finding; a finer id (`net.dns.resolver`) belongs to the entry it starts with.

    Raises:
        KeyError: the catalogue has no such entry.
    """
    name = finding_id
    while name not in CATALOGUE:
        name, dot, _ = name.rpartition(".")
        if not dot:
            raise KeyError(finding_id)
    return CATALOGUE[name]
