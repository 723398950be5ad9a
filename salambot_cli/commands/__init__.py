"""One file per command: parse, call, show. No logic."""

COMMANDS: dict[str, str] = {
    "init": "Write salambot.toml, .env.example, a sample knowledge base kb/ and ignore rules here.",
    "up": "Start the chatbot: every service and local component, healthy, in the background.",
    "status": "Show what runs, how it is, where it is.",
    "open": "Open the console: talk to the chatbot, see what runs, what is wrong and what came in.",
    "chat": "Talk to the chatbot, in French, Arabic, Darija or English.",
    "seed": "Index your documents. Only what changed since the last time costs anything.",
    "kb": "See what is indexed: sources, languages, passages. Remove documents.",
    "smoke": "Test the running stack. Exit 0 when every check passes, else 1.",
    "logs": "Show the logs of the stack.",
    "restart": "Restart services behind their open ports: who calls meanwhile waits. Nothing else changes.",
    "exec": "Run a command in a part of the stack: with its variables, and in its container where it has one.",
    "psql": "Open psql on the environment's Postgres, logged in as the services are.",
    "redis-cli": "Open redis-cli on the environment's Redis, logged in as the services are.",
    "trace": "Draw a request through all services, step by step, where telemetry is kept locally.",
    "doctor": "Diagnose the environment: one root cause, its evidence, and the command that fixes it.",
    "render": "Write the files that `up` uses: the Compose file, its override with each service's variables, the env.",
    "tunnel": "Publish the webhooks, show their URLs, and close the tunnel on Ctrl-C.",
    "webhook": "Send signed events of Messenger, WhatsApp, Telegram or any system; list and replay what came.",
    "token": "Print a token for the API, signed by this environment's local-idp.",
    "secrets": "See, read, write and rotate the environment's secrets.",
    "config": "Show, validate or describe the configuration.",
    "upgrade-config": "Bring an older salambot.toml forward, and show what changes in it and in the rendered files.",
    "dashboards": "Put the dashboards into a Grafana.",
    "audit": "Read and verify the append-only audit trail.",
    "privacy": "Export or erase one user's data.",
    "provision": "Write what makes the cloud parts: Terraform modules, a CloudFormation stack, their variables.",
    "costs": "Estimate what each component costs a month, and name what would cost less.",
    "park": "Stop the database in AWS while nobody works, so that it is not paid for.",
    "unpark": "Start the database in AWS again.",
    "down": "Stop the stack. The data stays, unless --volumes says otherwise.",
}
"""Command -> the first line of its help, in the order of the help; the file has the command's name.

The line stands here too so that the list of commands is shown without importing each of them.
"""
