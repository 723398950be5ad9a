"""Make `docs/doctor.md` from the catalogue: `python -m salambot_cli.doctor.catalogue_page > docs/doctor.md`."""

import sys
from collections.abc import Callable
from functools import partial

from salambot_cli.doctor.catalogue import CATALOGUE
from salambot_cli.doctor.entry import Entry
from salambot_cli.doctor.lookalikes import lookalikes
from salambot_cli.terminal.i18n import translated_lines

_HEAD = """# What `salambot doctor` finds

One section a finding. This page is made from the catalogue (`python -m salambot_cli.doctor.catalogue_page`);
`salambot doctor --explain ID` shows one section of it.

`salambot doctor` looks at the environment in the order clock, credentials, names, network, TLS, login, permission,
configuration, data, performance, cost. What only follows from another failure is *skipped* and names its cause.
What could not be seen (a denied describe call, for instance) is *unknown*, never a pass. Exit status: 0 without a root
cause, 1 with one, 4 when the doctor itself could not run.

Whoever has to allow it reads `salambot doctor --simulate` first: each check with the hosts, AWS permissions and
variables that it would use, and what it does beside reading. It asks nothing.

An entry in `salambot.toml` silences a finding, with a reason and a last day:

```toml
[[doctor.ignore]]
id     = "secret.stale"
reason = "rotated by the platform team each quarter"
until  = "2027-03-31"
```

A project's own checks run with the others: a URL or a command (no shell reads it), what it has to answer, and the
remedy.

```toml
[[doctor.check]]
name     = "crm"
url      = "https://crm.example.ma/health"
contains = "ok"
part     = "orchestrateur"
remedy   = "Ask the CRM team: #crm-help."
```
"""
_HEADS = {
    "fr": """# Ce que trouve `salambot doctor`

Une section par constat. Page faite à partir du catalogue (`python -m salambot_cli.doctor.catalogue_page fr`) ;
`salambot doctor --explain ID` en montre une section.

`salambot doctor` regarde l'environnement dans l'ordre : horloge, identifiants, noms, réseau, TLS, connexion, droits,
configuration, données, performance, coût. Ce qui découle seulement d'un autre échec est *sauté* et nomme sa cause. Ce
qui n'a pas pu être vu est *inconnu*, jamais réussi. Sortie : 0 sans cause première, 1 avec, 4 quand le docteur n'a pas
pu travailler.

Qui doit l'autoriser lit d'abord `salambot doctor --simulate` : chaque contrôle avec les hôtes, les droits AWS et les
variables qu'il emploierait, et ce qu'il fait hors lecture. Rien n'est demandé.

Les contrôles propres au projet se font avec les autres : une URL ou une commande (aucun shell ne la lit), ce
qu'elle doit répondre, et le remède.

```toml
[[doctor.check]]
name     = "crm"
url      = "https://crm.example.ma/health"
contains = "ok"
part     = "orchestrateur"
remedy   = "Demandez à l'équipe CRM."
```
"""
}


def page(language: str = "en") -> str:
    """Return the whole page in a language."""
    say = partial(translated_lines, language=language) if language in _HEADS else str
    head = _HEADS.get(language, _HEAD)
    return head + "".join(f"\n{section(entry, say)}" for entry in CATALOGUE.values())


def section(entry: Entry, say: Callable[[str], str] = str) -> str:
    """Return one finding's section, in the language that `say` speaks."""
    example = f"\n```sh\n{entry.example}\n```\n" if entry.example else ""
    return (
        f"## {entry.id}\n\n**{say('Severity')}**: {say(entry.severity)}\n\n"
        f"**{say('Symptom')}**: {say(entry.symptom)}\n\n"
        f"**{say('Told by')}**: {say(entry.told_by)}\n\n**{say('Remedy')}**: {say(entry.remedy)}\n{example}"
        f"{_lookalikes(entry, say)}"
    )


def _lookalikes(entry: Entry, say: Callable[[str], str]) -> str:
    near = [CATALOGUE[name] for name in lookalikes(entry.id)]
    listed = "".join(f"- `{other.id}`: {say(other.told_by)}\n" for other in near)
    return f"\n**{say('Looks like')}**:\n\n{listed}" if listed else ""


if __name__ == "__main__":
    print(page(*sys.argv[1:]), end="")  # noqa: T201 - the page
