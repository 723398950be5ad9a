"""The messages of the command in other languages: find them in the code, keep the catalogues in step, compile them.

`python tools/messages.py` updates each `salambot_cli/locale/*/LC_MESSAGES/salambot.po` and compiles it; `--check` only
tells what is missing or out of step, and exits 1 then. A message is a string of the code that reads as prose; what
fills an f-string in becomes a named field of the message (`{host} does not answer`). A string that reads so and is said
to nobody is its own translation.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
CODE = ROOT / "salambot_cli"
CONTRACTS = ROOT / "services" / "salambot_contracts"
CONSOLE = ROOT / "services" / "salambot" / "console"
TYPER = (  # what Typer itself says: through gettext, or in an error
    *(
        "Arguments",
        "Options",
        "Commands",
        "Error",
        "Aborted.",
        "[default: {}]",
        "[env var: {}]",
        "[required]",
        "required",
    ),
    *("(dynamic)", "default: {default}", "env var: {var}", "Missing command.", "Show this message and exit."),
    "Try [blue]'{command_path} {help_option}'[/] for help.",
    *(
        "Missing argument {hint}.",
        "Missing option {hint}.",
        "Missing parameter: {name}",
        "Missing argument {hint}. {detail}",
    ),
    *("No such option: {name}", "No such command {name}.", "{problem} Did you mean {possibility}?"),
    *("{problem} (Possible options: {options})", "Got unexpected extra argument(s) ({arguments})"),
    *("Invalid value: {problem}", "Invalid value for {hint}: {problem}", "Option {name} requires an argument."),
    *("{value} is not one of {choices}.", "{value} is not a valid {kind}.", "{value} is not in the range {limits}."),
    *("Input should be greater than or equal to {limit}", "Input should be less than or equal to {limit}"),
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid number, unable to parse string as a number",
    "Install completion for the current shell.",
    "Show completion for the current shell, to copy it or customize the installation.",
)
WORDS = (  # single words of tables and the like, which do not read as prose
    *("name", "health", "where", "pid", "up", "unchanged"),
    *("healthy", "starting", "degraded", "unhealthy", "failing", "down"),
    *(
        "key",
        "value",
        "from",
        "secret",
        "days",
        "version",
        "seen",
        "added",
        "changed",
        "removed",
        "default",
        "interrupted",
    ),
    *("Run", "Knowledge", "Channels", "Diagnose", "Cloud", "Project", "Output:", "read by", "meaning", "here"),
    *("path", "source", "languages", "passages", "rows", "updated", "at", "action", "outcome", "actor"),
    *("word", "weight", "share", "indexed", "terms", "passage", "probability", "fused", "similarity", "returned"),
    *("signal", "contribution", "yes", "no"),
    *("trace", "began", "what", "steps", "ms", "Next:"),
    *("ok:", "failed:", "try:", "source:", "as configured", "after"),
    *("{count} seen", "{count} added", "{count} changed", "{count} unchanged", "{count} removed"),
    *("topology {names}", "tenant {name}", "runtime {name}"),
    *("critical", "high", "medium", "low", "Example:", "Examples:", "Severity", "Symptom", "Told by", "Remedy"),
)
_SPOKEN = re.compile(r"[^\W\d_]{2,}(?:[,;:)`'’]|\.)*\s+[(`'«\[]?[^\W\d_]{1,}")  # two words in a row
_FILLED = re.compile(r"^\W*[A-Za-z]{3,}:? \{\w+\}|^\W*\{\w+\} [a-z]{3,}\W*$")
"""One word before or after what fills it in."""
_ALOUD = {"help", "epilog", "title"}
_PROGRAMS = (
    *("aws ", "docker ", "sudo ", "curl ", "export ", "kill ", "salambot ", "ALTER ", "CREATE ", "GRANT ", "createdb "),
    *(
        "cd ",
        "SELECT ",
        "SHOW ",
        "cloudflared ",
        "ngrok ",
        "psql ",
        "pip ",
        "apt",
        "brew ",
        "chmod ",
        "rm ",
        "cat ",
        "ls ",
        "git ",
    ),
    *(
        "REVOKE ",
        "INSERT ",
        "DELETE FROM ",
        "TRUNCATE ",
        "redis-cli ",
        "UPDATE ",
        "REINDEX ",
        "# ",
        "#!",
        "ssh ",
        "python ",
        "df ",
        "lsof ",
        "stat ",
        "sh ",
        "<",
        "BEGIN",
        "openssl ",
        "dict[",
        "list[",
        "Mapping[",
        "Bearer ",
        "echo ",
        "unset ",
        "--",
        "psql: ",
    ),
)
_ALWAYS = datetime(2026, 11, 23, tzinfo=UTC)
_FIELD = re.compile(r"\{[^{}]*\}")
_PATTERN = ("\\w", "\\d", "(?", "\\b", "\\s")
_SILENT = {"__main__.py", "page.py", "typing.py"}


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the messages of one file with their line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name in _SILENT:
        return
    unspoken = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and (path.parent.name == "commands" or path.name == "app.py"):
            yield from _help(node)
        if isinstance(node, ast.Expr):  # a string that stands alone is documentation
            unspoken.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            unspoken |= {id(value) for value in node.values}
    aloud = {id(value) for node in ast.walk(tree) if isinstance(node, ast.Call) for value in _aloud(node)}
    for node in ast.walk(tree):
        text = _text(node)
        if text is not None and id(node) not in unspoken and (id(node) in aloud or _is_prose(text)):
            yield node.lineno, text  # type: ignore[attr-defined] # an expression


def _aloud(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the arguments that are a message even where they are one word: help texts, the headings of a table."""
    yield from (word.value for word in call.keywords if word.arg in _ALOUD)
    if ast.unparse(call.func).endswith(("Table", ".add_column")):
        yield from (value for value in call.args if ast.unparse(value) != "''")


def _help(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the paragraphs of a command's docstring: Typer shows it."""
    if isinstance(node, ast.FunctionDef) and any(isinstance(d, ast.Call) for d in node.decorator_list):
        for paragraph in paragraphs(ast.get_docstring(node) or ""):
            if not paragraph.startswith(("Example", "Output:")):
                yield node.lineno, paragraph


def paragraphs(docstring: str) -> list[str]:
    """Return the paragraphs of a help text."""
    return [part for part in inspect.cleandoc(docstring).split("\n\n") if part.strip()]


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return _template(node) if isinstance(node, ast.JoinedStr) else None


def _template(node: ast.JoinedStr) -> str:
    names: dict[str, str] = {}
    parts = []
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value).replace("{", "{{").replace("}", "}}"))
        elif isinstance(value, ast.FormattedValue):
            parts.append("{" + _field(value.value, names) + "}")
    return "".join(parts)


def _field(expression: ast.expr, names: dict[str, str]) -> str:
    shown = ast.unparse(expression)
    word = (
        expression.id
        if isinstance(expression, ast.Name)
        else expression.attr
        if isinstance(expression, ast.Attribute)
        else "value"
    )
    if shown not in names:
        taken = sum(name == word or name.startswith(f"{word}_") for name in names.values())
        names[shown] = f"{word}_{taken + 1}" if taken else word
    return names[shown]


def _is_prose(text: str) -> bool:
    bare = re.sub(r"\{\w*\}|\[/?[a-z ]*\]", "x", text).strip()
    if bare.startswith(("Example", *_PROGRAMS)) or any(sign in text for sign in _PATTERN):
        return False
    return bool(_SPOKEN.search(re.sub(r"\{\w*\}", "0", text)) or _FILLED.search(re.sub(r"\[/?[a-z ]*\]", "", text)))


def console_template() -> Catalog:
    """Return every message of the console: the arguments of `say`, the texts of its page, and words it says by name."""
    from salambot.console import diagram, reports, views, webhook_table

    catalogue = Catalog(domain="console", project="salambot", charset="utf-8")
    for path in sorted(CONSOLE.glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match call:
                case ast.Call(func=ast.Name("say") | ast.Attribute(attr="say"), args=[ast.Constant(str(text)), *_]):
                    catalogue.add(text, locations=[(str(path.relative_to(ROOT)), call.lineno)])
    for path in sorted(CONSOLE.glob("*.html")):
        for text in re.findall(r"\{\{(.+?)\}\}", path.read_text(encoding="utf-8")):
            catalogue.add(text, locations=[(str(path.relative_to(ROOT)), 0)])
    spoken = (*diagram.extra_messages(), *webhook_table.extra_messages(), *views.extra_messages(), *reports.STATUSES)
    for text in spoken:
        catalogue.add(text, locations=[("services/salambot/console", 0)])
    return catalogue


def template() -> Catalog:
    """Return every message of the command."""
    catalogue = Catalog(domain="salambot", project="salambot", charset="utf-8")
    for path in sorted([*CODE.rglob("*.py"), *CONTRACTS.rglob("*.py")]):
        for line, text in messages(path):
            catalogue.add(text, locations=[(str(path.relative_to(ROOT)), line)])
    for text in TYPER:
        catalogue.add(text, locations=[("typer", 0)])
    for text in WORDS:
        catalogue.add(text, locations=[("tools/messages.py", 0)])
    return catalogue


def catalogues() -> Iterator[tuple[Path, Catalog, Catalog]]:
    """Yield each catalogue's file, what it holds, and what it should hold."""
    for folder, wanted in ((CODE, template()), (CONSOLE, console_template())):
        for path in sorted(folder.glob("locale/*/LC_MESSAGES/*.po")):
            yield path, read(path), wanted


def read(path: Path) -> Catalog:
    """Read a catalogue."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name, domain=path.stem)


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as gettext reads it."""
    output = BytesIO()
    write_mo(output, catalogue)
    return output.getvalue()


def faults() -> Iterator[str]:
    """Yield what is not translated, what nobody says any more, and what would not fill in."""
    for path, catalogue, template_ in catalogues():
        wanted = {message.id for message in template_ if message.id}
        name = path.relative_to(ROOT)
        known = {message.id: message.string for message in catalogue if message.id}
        yield from (f"{name}: not translated: {text!r}" for text in sorted(wanted) if not known.get(text))
        yield from (f"{name}: nothing says this any more: {text!r}" for text in sorted(known.keys() - wanted))
        for text, said in known.items():
            if said and set(_FIELD.findall(text)) != set(_FIELD.findall(said)):
                yield f"{name}: other fields than {text!r}: {said!r}"
        if path.with_suffix(".mo").read_bytes() != compiled(catalogue):
            yield f"{name}: the compiled catalogue is another one"


def update() -> None:
    """Bring each catalogue to what the code says, and compile it; what is new waits for its translation."""
    for path, catalogue, wanted in catalogues():
        catalogue.update(wanted, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        catalogue.creation_date = _ALWAYS  # a date would differ in every branch
        with path.open("wb") as file:
            write_po(file, catalogue, width=0, include_lineno=False, ignore_obsolete=True)
        path.with_suffix(".mo").write_bytes(compiled(read(path)))


if __name__ == "__main__":
    if "--check" not in sys.argv:
        update()
    found = [*faults()]
    print(*found, sep="\n")
    sys.exit(1 if found else 0)
