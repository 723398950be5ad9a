"""`salambot` and `python -m salambot_cli` begin here: what needs no Typer is answered before it is loaded."""

import os
import sys


def main() -> None:
    """Run the `salambot` command. Ctrl-C while it is still loading ends it without a word."""
    try:
        _main()
    except KeyboardInterrupt:
        sys.exit(130)


def _main() -> None:
    if sys.argv[1:] == ["--version"]:
        from salambot_cli.host.commit import version_line

        print(version_line())  # noqa: T201 - the result
        return
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else it reads what every installed package offers
    from salambot_cli.terminal.i18n import choose_language, set_language

    if "--plain" in sys.argv[1:]:
        os.environ["SALAMBOT_PLAIN"] = "1"
    set_language(choose_language(sys.argv[1:], os.environ))
    from salambot_cli.app import main as run

    run()


if __name__ == "__main__":
    main()
