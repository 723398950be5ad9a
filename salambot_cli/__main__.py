"""`python -m salambot_cli` is `salambot`."""

from salambot_cli.app import main

main()
