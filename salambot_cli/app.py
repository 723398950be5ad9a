"""The Typer application; the one place where an error becomes text and an exit status."""


def main() -> None:
    """Run the `salambot` command."""
