"""One file per command: parse, call, show. No logic."""

GROUPS: dict[str, dict[str, str]] = {
    "Start here": {
        "init": "Write salambot.toml, .env.example and a sample kb/ here.",
        "up": "Start the chatbot, and wait until it is healthy.",
        "chat": "Talk to the chatbot in French, Arabic, Darija or English.",
        "open": "Open the console in a browser.",
        "down": "Stop the chatbot. The data stays, unless --volumes.",
    },
    "Run": {
        "status": "Show every part: placement, health, URL, uptime.",
        "logs": "Show the logs of the services and local components.",
        "restart": "Restart services; requests wait until they are back.",
        "exec": "Run a command inside a service or a component.",
        "psql": "Open psql on the environment's Postgres.",
        "redis-cli": "Open redis-cli on the environment's Redis.",
    },
    "Knowledge": {
        "seed": "Index your documents; only changes are processed.",
        "kb": "List, show and remove indexed documents.",
    },
    "Channels": {
        "webhook": "Send signed test events; list and replay real ones.",
        "widget": "Print the script tag that puts the chat on your site.",
        "tunnel": "Publish the webhooks at a public URL until Ctrl-C.",
        "token": "Print a token for the API.",
    },
    "Diagnose": {
        "doctor": "Find the root cause of a problem and the fix.",
        "smoke": "Test the running chatbot: health, answers, refusals.",
        "trace": "Draw one request through all services.",
        "audit": "Read and verify the append-only audit trail.",
    },
    "Cloud": {
        "provision": "Write Terraform and CloudFormation for the cloud parts.",
        "secrets": "Show, read, write and rotate secrets.",
        "costs": "Estimate what each component costs a month.",
        "park": "Stop the AWS database while nobody works.",
        "unpark": "Start the AWS database again.",
        "dashboards": "Put the dashboards into a Grafana.",
    },
    "Project": {
        "env": "Set, remove, list and compare variables.",
        "config": "Show, check and edit the configuration.",
        "render": "Write the files that `up` uses.",
        "upgrade-config": "Bring an older salambot.toml up to date.",
        "backup": "Write data, documents, keys and configuration to a file.",
        "restore": "Bring a backup back, here or on another machine.",
        "privacy": "Export or erase one user's data.",
    },
}
"""Group -> its commands -> the first line of their help, in the order of the help; the file has the command's name.

The line stands here too so that the list of commands is shown without importing each of them.
"""
COMMANDS = {name: line for group in GROUPS.values() for name, line in group.items()}
