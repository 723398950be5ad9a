"""Foreign text meets the terminal in one place, where it can do nothing; and no code gets around that place."""

import ast
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table

from salambot_cli.commands.webhook import _line
from salambot_cli.doctor.text_report import full
from salambot_cli.model.errors import SalamBotError
from salambot_cli.model.finding import Finding
from salambot_cli.model.untrusted import Untrusted, untrusted, visible
from salambot_cli.terminal.output import Output, json_text, show_error
from salambot_cli.terminal.safe_console import SafeConsole

STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
HOSTILE = [
    "\x1b]52;c;ZXZpbA==\x07", "\x1b]0;PWNED\x07", "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\", "\x1b[2J\x1b[31mred",
    "\x1bP1$r\x1b\\", "\x1b_Gi=1\x1b\\", "\x1b^x\x1b\\", "\x1bc", "\x9b2J", "\x9d52;c;eA==\x9c", "\x90q\x9c",
    "\x0e\x0f",
    "\u202eabc", "\u2066a\u2069", "\u200fx", "\u061cx", "a\rb", "x\r\nFAKE LOG LINE", "a\u2028b", "a\u0085b",
    "\u200b" * 99,
    "\ufeffx", "bad\udcffname.md", "e" + "\u0301" * 500, "[/promo]", "[link=http://evil]x[/link]", "[bold red]x", "[",
    "[@click=app.bell]x[/]", "\\[red]", "[red\\]", "\\", "[/]", ":warning:", "[[a]]", "\U000e0041", "\x7f\x08\x08",
]  # fmt: skip


def shown(*what: object, width: int = 200) -> str:
    """Return what a terminal would receive, without Rich's own styles."""
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=False, width=width, highlight=False, emoji=False)
    console.print(*what)
    return out.getvalue()


def printable(text: str) -> bool:
    return STEERING.search(text.replace("\n", "")) is None


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:20])
def test_a_hostile_text_is_shown_as_it_is(text: str) -> None:
    for said in (shown(f"[dim]{Untrusted(text)}[/] · end"), shown(Untrusted(text)), shown(f"{Untrusted(text)!s:<40}|")):
        assert printable(said)
        assert "FAKE LOG LINE" not in said.split("\n")[1:]
    plain = "".join(character for character in text if character.isascii() and character.isprintable())
    assert plain in shown(f"{Untrusted(text)}").replace("\\x1b", "").replace("\n", "") or printable(plain)


@given(st.text())
@example("[/]\\")
@example("\x1b[")
def test_any_text_survives_markup_and_steers_nothing(text: str) -> None:
    said = shown(f"[bold]{Untrusted(text)}[/]|", width=100_000)
    assert said == visible(text) + "|\n" or printable(said)
    assert printable(said)


@given(st.text())
def test_what_forgot_the_type_still_steers_nothing(text: str) -> None:
    table = Table("name")
    table.add_row(Untrusted(text))
    assert printable(shown(table, markup_free(text)))


def markup_free(text: str) -> str:
    return text.replace("[", "(").replace("\\", "/")


def test_json_keeps_the_text_and_steers_nothing() -> None:
    document = untrusted({"a": ["".join(HOSTILE)]})
    written = json_text(document)
    assert printable(written)
    assert json.loads(written) == {"a": ["".join(HOSTILE)]}
    assert document["a"][0] == "".join(HOSTILE), "compared, it is the text itself"


def test_marks_on_one_letter_are_few() -> None:
    assert visible("z" + "\u0334" * 1000) == "z" + "\u0334" * 6
    assert visible("مُدَرِّسٌ") == "مُدَرِّسٌ"
    assert visible("👩‍👩‍👧‍👦 é ﷺ") == "👩‍👩‍👧‍👦 é ﷺ"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:20])
def test_every_listing_takes_it(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    entry = untrusted(
        {"time": text, "channel": text, "verdict": text, "id": text, "state": text, "outcome": text, "text": text,
         "trace_id": text, "reply": {"status": text, "text": text}}
    )  # fmt: skip
    session = Output(Path())
    session.result(_line(entry))
    session.result(_line({**entry, "id": None, "cause": Untrusted(text), "count": 1}))
    session.stream(text)
    finding = Finding(
        id="a.b",
        check="a",
        status="fail",
        title=text,
        severity="high",
        evidence={"a": text, "b": [text, "x y"]},
    )
    for line in full(finding):
        session.say(line)
    show_error(session, SalamBotError(text, text, text))
    said = capsys.readouterr()
    assert printable(said.out.replace("\t", "")), repr(said.out)
    assert printable(said.err.replace("\t", "")), repr(said.err)
    assert not any(line.strip() == "FAKE LOG LINE" for line in said.err.splitlines() if "evidence" in line)


SOURCES = Path(__file__).parents[2] / "salambot_cli"
WRITERS = {
    "terminal/output.py": "the place itself",
    "aws/ssm_port_forward.py": "the log of a forward, whose lines are ours",
    "stack/supervisor.py": "its log",
    "app.py": "the version",
    "commands/status.py": "addresses of ours, quoted for a shell",
    "commands/secrets.py": "what the owner asked to reveal, as JSON, and a policy of ours",
    "commands/render.py": "manifests of ours",
    "commands/config.py": "a schema of ours",
    "commands/provision.py": "values of ours, as TOML",
    "commands/token.py": "the token",
    "commands/widget.py": "a tag of ours, of checked keys and an escaped address",
    "doctor/command.py": "JUnit and SARIF, whose writers escape",
    "doctor/catalogue_page.py": "a page of the documentation",
    "stack/runtimes/compose.py": "the tunnel's log",
    "tunnel/ngrok_agent.py": "the tunnel's log",
    "tunnel/tunnel_process.py": "the tunnel's log",
    "__main__.py": "the version",
    "commands/privacy.py": "JSON by json_text",
    "stack/chat.py": "the prompt",
}
READERS = {
    "api/gateway.py": "a problem, shown by show_error, which escapes",
    "host/probe_http.py": "answers that the doctor's probes look into: evidence is escaped where it is shown",
    "stack/smoke.py": "answers are compared; what is shown are the names of differences",
    "telemetry/dashboards.py": "files of ours, and Grafana's answer, of which an id is used",
    "render/provision.py": "files of ours",
    "audit/records.py": "a file of ours",
    "stack/up.py": "a file of ours",
    "secrets/push.py": "the user's own secret",
    "stack/logs.py": "log lines, made visible there",
    "host/lock.py": "a file of ours",
    "aws/secrets_manager.py": "a policy: it is judged and not shown",
    "docker/containers.py": "the engine's answer",
    "docker/engine.py": "the engine's answer",
    "host/state_file.py": "a file of ours",
    "host/document_mirror.py": "a file of ours",
    "aws/bucket_mirror.py": "a file of ours",
    "host/tunnel_programs.py": "the agent's answer: a URL, matched against a pattern",
    "aws/objects.py": "a policy: it is judged and not shown",
    "host/keys.py": "a file of ours",
}
"""Where JSON is read and not made `untrusted`, and why that is right."""
OWN_FILES = (
    *("config/", "doctor/", "model/", "render/compose", "render/kubernetes", "render/policies"),
    *("stack/component_health", "stack/runtimes/", "stack/supervis"),
)
"""Packages whose JSON is our own, or is escaped as evidence where it is shown."""


def calls(path: Path) -> list[tuple[str, ast.Call, bool]]:
    """Return the calls of a module by what they call, and whether each is inside a call of `untrusted`."""
    found: list[tuple[str, ast.Call, bool]] = []

    def visit(node: ast.AST, *, inside: bool) -> None:
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found.append((name, node, inside))
            inside = inside or name == "untrusted"
        for child in ast.iter_child_nodes(node):
            visit(child, inside=inside)

    visit(ast.parse(path.read_text()), inside=False)
    return found


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES)))
def test_nobody_gets_around_it(path: Path) -> None:
    name = str(path.relative_to(SOURCES))
    for called, node, inside in calls(path):
        place = f"{name}:{node.lineno}"
        if re.fullmatch(r"print|sys\.std(out|err)\.write|typer\.echo|typer\.secho", called):
            assert name in WRITERS, f"{place} writes to the terminal past Output (salambot_cli/terminal/output.py)"
        if re.fullmatch(r"(rich\.console\.)?Console", called):
            raise AssertionError(f"{place} makes a Console of its own: take Output.people()")
        if re.fullmatch(r".*\.json|json\.loads?", called) and not inside and not name.startswith(OWN_FILES):
            assert name in READERS | {"seed/documents.py": ""}, (
                f"{place} reads JSON of somebody else: make it untrusted()"
            )
