"""`docs/doctor.md`, made from the catalogue's own texts: `python -m salambot_cli.doctor.page > docs/doctor.md`."""

from collections.abc import Callable

from salambot_cli.doctor.catalogue import CATALOGUE
from salambot_cli.doctor.entry import Entry

_HEAD = """# What `salambot doctor` finds

One section a finding. This page is made from the catalogue in the code (`python -m salambot_cli.doctor.page`);
`salambot doctor --explain ID` shows one section of it.

`salambot doctor` looks at the environment in the order clock, credentials, names, network, TLS, login, permission,
configuration, data, performance, cost. What only follows from another failure is *skipped* and names its cause.
What could not be seen (a denied describe call, for instance) is *unknown*, never a pass. Exit status: 0 without a root
cause, 1 with one, 4 when the doctor itself could not run.

An entry in `salambot.toml` silences a finding, with a reason and a last day:

```toml
[[doctor.ignore]]
id     = "secret.stale"
reason = "rotated by the platform team each quarter"
until  = "2027-03-31"
```
"""


def page() -> str:
    """Return the whole page."""
    return _HEAD + "".join(f"\n{section(entry)}" for entry in CATALOGUE.values())


def section(entry: Entry, say: Callable[[str], str] = str) -> str:
    """Return one finding's section, in the language that `say` speaks."""
    example = f"\n```sh\n{entry.example}\n```\n" if entry.example else ""
    return (
        f"## {entry.id}\n\n**{say('Severity')}**: {say(entry.severity)}\n\n"
        f"**{say('Symptom')}**: {say(entry.symptom)}\n\n"
        f"**{say('Told by')}**: {say(entry.told_by)}\n\n**{say('Remedy')}**: {say(entry.remedy)}\n{example}"
    )


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - the page
