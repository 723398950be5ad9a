"""One stack on embedded parts, from nothing to an answer, through every command that looks at it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import psutil
import pytest

from tests.stack import Project, on_a_terminal

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("local-stack")]


@pytest.fixture(scope="module")
def project(local_stack: Project) -> Project:
    return local_stack


@pytest.fixture(scope="module")
def url(project: Project) -> str:
    return str(project.json("status")["services"]["gateway"]["url"])


def supervised(project: Project) -> set[int]:
    """Return the processes of the stack; Postgres makes and ends one a session."""
    return {process.pid for process in project.processes() if not process.cmdline()[0].startswith("postgres:")}


def pid_of(project: Project, service: str) -> int:
    return int(project.json("status")["services"][service]["pid"])


@pytest.mark.parametrize("terminal", [{}, {"PATH": f"/opt/bin:{os.environ['PATH']}", "LANG": "fr_MA.UTF-8"}])
def test_up_again_changes_nothing(project: Project, terminal: dict[str, str]) -> None:
    before = supervised(project)
    document = project.json("up", **terminal)
    assert {step["status"] for step in document["steps"]} <= {"unchanged", "done"}
    assert all(
        step["status"] == "unchanged"
        for step in document["steps"]
        if step["id"].startswith("start.") and step["id"] != "start.migrate"
    )
    assert supervised(project) == before


def test_document_of_up_has_the_fields_of_the_contract(project: Project) -> None:
    document = project.json("up")
    assert set(document) == {
        "schema_version", "status", "runtime", "topology", "tenant", "services", "components", "public_url", "steps",
        "duration_ms",
    }  # fmt: skip
    assert (document["runtime"], document["topology"], document["tenant"], document["public_url"]) == (
        "process",
        ["local"],
        "demo",
        None,
    )
    assert set(document["services"]) == {"gateway", "orchestrateur", "nlu", "rag"}
    assert set(document["components"]) == {
        "postgres",
        "redis",
        "vector",
        "objects",
        "secrets",
        "telemetry",
        "llm",
        "tunnel",
    }
    for service in document["services"].values():
        assert service["health"] == "healthy"
        assert psutil.pid_exists(service["pid"])
        assert re.fullmatch(r"http://localhost:\d+", service["url"])
    assert (
        document["components"]["postgres"]
        == {"placement": "local", "health": "healthy"} | document["components"]["postgres"]
    )


def test_everything_listens_on_loopback_only(project: Project) -> None:
    addresses = [
        connection.laddr.ip
        for process in project.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(addresses) >= 6
    assert set(addresses) == {"127.0.0.1"}


def test_state_is_private_and_no_argument_holds_a_secret(project: Project) -> None:
    assert project.state.stat().st_mode & 0o777 == 0o700
    keys = list((project.state / "keys").iterdir())
    assert keys
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in keys)
    lines = [" ".join(process.cmdline()) for process in project.processes()]
    assert not [line for line in lines for key in keys if key.read_text().strip() in line]


def test_smoke_passes_and_speaks_json_and_junit(project: Project, tmp_path: Path) -> None:
    document = project.json("smoke", "--junit", str(tmp_path / "smoke.xml"))
    assert document["status"] == "pass"
    assert [check["id"] for check in document["checks"]] == [
        "health", "generate", "search", "generate.refuses-anonymous", "search.refuses-other-tenant", "metrics",
        "webhook",
    ]  # fmt: skip
    assert all(check["status"] == "pass" and isinstance(check["latency_ms"], int) for check in document["checks"])
    suite = ET.parse(tmp_path / "smoke.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("7", "0")


@pytest.mark.parametrize(
    ("question", "languages"),
    [
        ("C'est quoi votre politique de remboursement ?", {"fr"}),
        ("شنو هي سياسة الإرجاع؟", {"ary", "ar"}),
        ("bghit nrje3 lcommande, kifach?", {"ary-Latn", "ary"}),
    ],
)
def test_chat_answers_from_the_right_document_in_the_language_asked(
    project: Project, question: str, languages: set[str]
) -> None:
    document = project.json("chat", question)
    data = document["data"]
    assert data["language"] in languages
    assert data["provider"] == "local"
    assert data["citations"]
    assert re.search(
        "remb|retour|return|refund|irja|إرجاع",
        data["citations"][0]["uri"] + data["citations"][0]["title"],
        re.IGNORECASE,
    )
    assert data["reply"].strip()


def test_chat_says_that_it_does_not_know(project: Project) -> None:
    data = project.json("chat", "Quelle est la capitale du Japon ?")["data"]
    assert data["citations"] == []
    assert data["language"] == "fr"


def test_chat_on_a_pipe_prints_the_reply_alone(project: Project) -> None:
    done = project.run("chat", "Bonjour SalamBot")
    assert done.stdout.strip()
    assert "\x1b" not in done.stdout


def test_up_ends_with_the_console_first(project: Project, url: str) -> None:
    said = project.run("up").stderr.rpartition("Try next:")[2].split()
    assert said[0] == f"http://localhost:{url.rpartition(':')[2]}/console"


def test_chat_explains_how_the_answer_was_found(project: Project) -> None:
    question = "C'est quoi votre politique de remboursement ?"
    document = project.json("chat", "--explain", question)
    search = document["explanation"]["search"]
    assert search["decision"]["answers"] is True
    assert document["data"]["citations"][0]["id"] in [one["id"] for one in search["candidates"] if one["returned"]]
    shown = project.run("chat", "--explain", question)
    assert "remboursement" in shown.stdout
    assert search["candidates"][0]["id"] in shown.stdout
    assert "an answer: the first passage holds it with probability" in " ".join(shown.stderr.split())
    nothing = project.run("chat", "--explain", "Quelle est la capitale du Japon ?").stderr
    assert "no answer: the first passage holds it with probability" in " ".join(nothing.split())
    project.run("chat", "--explain", "--url", "http://127.0.0.1:1", question, status=2)


def test_conversation_reads_prompts_from_standard_input(project: Project) -> None:
    done = project.run("chat", stdin="Bonjour\nexit\n")
    assert done.stdout.strip()


def test_curl_requests_of_the_original_work_with_the_dev_token(url: str) -> None:
    headers = {"Authorization": "Bearer dev-token", "X-SalamBot-Tenant": "demo"}
    body = {
        "schema_version": "1.0", "tenant": "demo", "channel": "webchat", "message_id": "msg_smoke",
        "correlation_id": "corr_smoke", "timestamp": "2025-08-14T10:00:00Z", "locale": "fr-MA",
        "data": {"prompt": "Bonjour", "context": []},
    }  # fmt: skip
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        assert client.get("/health").json()["status"] == "ok"
        reply = client.post("/v1/generate/reply", json=body)
        assert reply.status_code == 200
        assert reply.json()["data"]["language"] == "fr"
        found = client.post("/v1/search/query", json={"query": "politique remboursement", "tenant": "demo", "top_k": 3})
        assert found.status_code == 200
        assert found.json()["results"]


def test_minted_token_opens_its_own_tenant_only(project: Project, url: str) -> None:
    mine, other = (project.run("token", "--tenant", name).stdout.strip() for name in ("demo", "other"))
    query = {"query": "livraison", "tenant": "demo"}
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert (
            client.post("/v1/search/query", json=query, headers={"Authorization": f"Bearer {mine}"}).status_code == 200
        )
        assert (
            client.post("/v1/search/query", json=query, headers={"Authorization": f"Bearer {other}"}).status_code == 403
        )
        theirs = client.post(
            "/v1/search/query", json=query | {"tenant": "other"}, headers={"Authorization": f"Bearer {other}"}
        )
        assert (theirs.status_code, theirs.json()["results"]) == (200, [])


def test_status_tells_all_at_a_glance(project: Project) -> None:
    document = project.json("status")
    assert document["status"] == "ready"
    text = project.run("status").stdout
    assert text.count("● healthy") == 13, "four services, the worker, eight components"
    assert "idle" in text, "what the worker has before it"
    assert (document["worker"]["health"], document["worker"]["pending"], document["public_url"]) == ("healthy", 0, None)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_another_environment_on_the_same_ports_is_told_apart(project: Project, tmp_path: Path) -> None:
    """What runs there answers like ours, and is not ours."""
    services = project.json("status")["services"]
    ports = "".join(f"{name} = {facts['url'].rpartition(':')[2]}\n" for name, facts in services.items())
    other = Project(tmp_path)
    (tmp_path / "salambot.toml").write_text(f'runtime = "process"\n[ports]\n{ports}')
    status = other.json("status")
    assert {facts["health"] for facts in status["services"].values()} == {"down"}
    found = other.json("doctor", "--offline", status=1)
    assert found["root_causes"] == ["local.port-busy"]
    busy = next(finding for finding in found["findings"] if finding["id"] == "local.port-busy")
    assert busy["evidence"]["pid"] == services[busy["evidence"]["service"]]["pid"]
    assert project.json("doctor", "local.ports", "--offline")["root_causes"] == []


def test_killed_service_is_healed_alone(project: Project) -> None:
    before = {name: pid_of(project, name) for name in ("nlu", "rag", "orchestrateur")}
    psutil.Process(before["nlu"]).kill()
    document = project.json("up")
    after = {name: document["services"][name]["pid"] for name in before}
    assert after["nlu"] != before["nlu"]
    assert (after["rag"], after["orchestrateur"]) == (before["rag"], before["orchestrateur"])
    detail = project.json("status")["services"]["nlu"]["detail"]
    assert detail == "was started again: it was killed by SIGKILL", "as the kernel does for want of memory"
    assert project.json("smoke")["status"] == "pass"


def test_a_stack_whose_machine_slept_goes_on_as_it_was(project: Project) -> None:
    before = supervised(project)
    asleep = project.processes()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for process in asleep:
            with contextlib.suppress(psutil.NoSuchProcess):  # a session of Postgres may end
                process.send_signal(number)
        if number == signal.SIGSTOP:
            time.sleep(6)  # its subject is time: some rounds of health checks and leases
    assert project.json("smoke")["status"] == "pass"
    assert supervised(project) == before, "nothing was started again"


@pytest.mark.parametrize("name", ["redis", "nlu"])
def test_what_hangs_is_started_anew(project: Project, name: str) -> None:
    word = {"redis": "valkey-server", "nlu": " nlu "}[name]
    hanging = next(process for process in project.processes() if word in " ".join(process.cmdline()))
    hanging.suspend()
    document = project.json("up")
    assert [step["detail"] for step in document["steps"] if step["id"] == f"start.{name}"] == [
        "restarted: it does not answer"
    ]
    assert not psutil.pid_exists(hanging.pid)
    assert project.json("status")["status"] == "ready"


def generate(url: str, prompt: str) -> httpx.Response:
    body = {
        "schema_version": "1.0", "tenant": "demo", "channel": "webchat", "message_id": "msg_1",
        "timestamp": "2026-01-05T10:00:00Z", "data": {"prompt": prompt, "context": []},
    }  # fmt: skip
    headers = {"Authorization": "Bearer dev-token"}
    return httpx.post(f"{url}/v1/generate/reply", json=body, headers=headers, timeout=60, trust_env=False)


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("Je voudrais savoir où est ma commande. " * 512, id="20000-characters"),
        pytest.param("Salam, je voudrais retourner طلبية ديالي please", id="mixed-scripts"),
        pytest.param("🎉🙏😀", id="only-emoji"),
    ],
)
def test_unusual_prompt_is_answered(url: str, prompt: str) -> None:
    answer = generate(url, prompt)
    assert answer.status_code == 200
    assert answer.json()["data"]["reply"].strip()


@pytest.mark.parametrize("victim", ["postgres", "redis"])
def test_killed_store_is_said_clearly_and_comes_back_by_itself(project: Project, url: str, victim: str) -> None:
    word = {"postgres": "bin/postgres", "redis": "valkey-server"}[victim]
    server = next(process for process in project.processes() if word in process.cmdline()[0])
    server.kill()
    deadline = time.monotonic() + 60
    while (answer := generate(url, "Quels sont vos délais de livraison ?")).status_code != 200:
        assert answer.status_code == 503
        assert answer.json()["code"].endswith("_unavailable")
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    assert project.json("status")["status"] == "ready"


def test_logs_are_merged_and_filtered(project: Project) -> None:
    lines = [json.loads(line) for line in project.run("logs", "--json").stdout.splitlines()]
    assert {"gateway", "postgres", "rag"} <= {line["source"] for line in lines}
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    assert all(datetime.fromisoformat(time).tzinfo for time in times)
    only = project.run("logs", "postgres", "--grep", "ready to accept").stdout
    assert "ready to accept connections" in only
    assert "gateway" not in only


def test_seed_is_incremental(project: Project, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Parking\n\nLe parking du magasin de Fès est gratuit pendant deux heures.\n")
    (docs / "b.md").write_text("# Ascenseur\n\nUn ascenseur mène au deuxième étage du magasin.\n")
    first = project.json("seed", str(docs))
    assert (first["status"], first["tenant"], first["vector"]) == ("done", "demo", "local")
    assert first["documents"] == {
        "seen": 2,
        "added": 2,
        "changed": 0,
        "unchanged": 0,
        "removed": first["documents"]["removed"],
        "rejected": [],
    }
    again = project.json("seed", str(docs))
    assert (again["documents"]["unchanged"], again["chunks"]["embedded"]) == (2, 0)
    (docs / "b.md").unlink()
    assert project.json("seed", str(docs))["documents"]["removed"] == 1
    assert "deux heures" in project.json("chat", "Le parking est-il gratuit à Fès ?")["data"]["reply"]


def test_removing_most_of_a_source_needs_a_decision(project: Project, tmp_path: Path) -> None:
    docs = tmp_path / "many"
    docs.mkdir()
    for number in range(12):
        (docs / f"{number}.txt").write_text(f"Rayon numéro {number} : fermé.")
    planned = project.json("seed", str(docs), "--dry-run")
    assert (planned["status"], planned["documents"]["added"], planned["chunks"]["embedded"]) == ("planned", 12, 12)
    assert project.json("seed", str(docs))["documents"]["added"] == 12
    for file in list(docs.iterdir())[1:]:
        file.unlink()
    refused = project.run("seed", str(docs), status=1)
    assert "11 documents, more than half" in refused.stderr
    assert "--prune" in refused.stderr
    assert "--no-prune" in refused.stderr
    assert project.json("seed", str(docs), "--no-prune")["documents"]["removed"] == 0
    assert project.json("seed", str(docs), status=1)["error"]["fix"].startswith("salambot seed --prune")
    asked, screen = on_a_terminal(project, "seed", str(docs), answers="y\n")
    assert asked == 0, screen
    assert "more than half" in screen
    assert "11 removed" in screen


def test_seed_tells_each_step_and_ends_with_its_caller(project: Project, tmp_path: Path) -> None:
    docs = tmp_path / "long"
    docs.mkdir()
    for number in range(1500):
        (docs / f"{number}.md").write_text(f"# Article {number}\n\n" + f"Le modèle {number} existe en bleu. " * 40)
    with project.start("seed", str(docs), "--json-lines") as run:
        assert run.stdout is not None
        for line in run.stdout:
            if json.loads(line).get("event") == "indexed":
                break
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=180)
    assert run.returncode == 130
    assert not [process for process in psutil.process_iter(["cmdline"]) if is_seed(process, "long")]
    lines = [json.loads(line) for line in project.run("seed", str(docs), "--json-lines").stdout.splitlines()]
    assert {"compared", "embedded", "indexed"} <= {line.get("event") for line in lines}
    assert lines[-1]["documents"]["seen"] == 1500
    assert 0 < lines[-1]["documents"]["unchanged"] < 1500, "what was done stays done"
    assert all(line["schema_version"] == "1.0" for line in lines)


def is_seed(process: psutil.Process, source: str) -> bool:
    words = " ".join(process.info["cmdline"] or ())
    return "salambot.jobs.seed_kb" in words and source in words


def test_the_index_is_measured_with_the_owners_questions(project: Project, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "velo.md").write_text(
        "# Vélo\n\n## Où garer mon vélo ?\n\nLes vélos se garent dans la cour arrière.\n"
    )
    assert project.json("seed", str(tmp_path / "docs"), "--yes")["documents"]["seen"] == 1
    assert project.json("seed", "--from-s3")["documents"]["unchanged"] >= 1
    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        '{"question": "Où garer mon vélo ?", "answers": ["velo.md"], "facts": ["cour arriere"], "group": "fr"}\n'
        '{"question": "Qui a peint la Joconde ?", "answers": [], "group": "fr"}\n'
    )
    figures = project.json("seed", "--evaluate", str(questions))["groups"]
    right = {"recall_1": 1.0, "recall_3": 1.0, "mrr": 1.0, "refused": 0.0, "fact": 1.0, "wrong": 0.0}
    expected = {"questions": 2, **right, "false_answers": 0.0}
    assert figures == {"fr": expected, "all": expected}
    assert "recall@3" in project.run("seed", "--evaluate", str(questions)).stdout
    questions.write_text("not json\n")
    assert "line 1" in project.run("seed", "--evaluate", str(questions), status=1).stderr
    assert "takes no PATH" in project.run("seed", "docs", "--from-s3", status=2).stderr
    assert "no-such" in project.run("seed", "--evaluate", str(tmp_path / "no-such"), status=2).stderr


def test_second_up_is_told_who_holds_the_lock(project: Project) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom salambot_cli.host.lock import environment_lock\n"
        "with environment_lock(Path(sys.argv[1]), 'up'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(project.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        said = project.run("up", status=1).stderr
        assert f"pid {holder.pid} on " in said
        holder.communicate("")


def test_webhooks_are_tried_listed_and_replayed(project: Project) -> None:
    sent = project.json("webhook", "trigger", "whatsapp", "--text", "Salam, bghit n3ref taman")
    assert (sent["status"], sent["deliveries"][0]["status"], len(sent["messages"])) == ("done", 200, 1)
    (reply,) = sent["replies"]
    assert (reply["state"], reply["outcome"], reply["reply"]["status"]) == ("done", "no_token", "kept")
    assert reply["trace_id"] == sent["deliveries"][0]["trace_id"]
    listed = project.json("webhook", "list")["webhooks"]
    assert listed[0]["message_id"] == sent["messages"][0]
    assert "bghit n3ref taman" in project.run("webhook", "list").stdout
    refused = project.json("webhook", "replay", listed[0]["id"], status=1)
    assert refused["refused"][0]["id"] == listed[0]["id"]
    assert project.json("webhook", "replay", "--failed")["replayed"] == []


@pytest.mark.parametrize(
    ("options", "verdicts"),
    [
        (("generic",), ["accepted"]),
        (("generic", "--stale"), ["401"]),
        (("messenger", "--invalid-signature"), ["401"]),
        (("telegram",), ["accepted"]),
        (("telegram", "--invalid-signature"), ["401"]),
        (("messenger", "--stale"), ["ignored"]),
        (("whatsapp", "--duplicate", "--batch", "50", "--wait", "0"), ["accepted", "duplicate"]),
    ],
)
def test_each_kind_of_webhook_is_met_as_it_should(
    project: Project, options: tuple[str, ...], verdicts: list[str]
) -> None:
    sent = project.json("webhook", "trigger", *options)
    found = [delivery["body"].get("status") for delivery in sent["deliveries"]]
    assert [str(status) for status in found] == verdicts


def test_webhooks_are_followed_as_they_come(project: Project) -> None:
    following = project.start("webhook", "list", "-f", "--json-lines")
    try:
        sent = project.json("webhook", "trigger", "telegram", "--text", "en direct")
        assert following.stdout is not None
        seen = (json.loads(line) for line in following.stdout)
        shown = next(one for one in seen if one.get("message_id") == sent["messages"][0] and one["state"] == "done")
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=120)
    assert (shown["event"], shown["text"], shown["reply"]["status"]) == ("webhook", "en direct", "kept")
    assert following.returncode == 130


def test_who_follows_sees_a_batch_whole_and_begins_where_they_want(project: Project) -> None:
    before = project.json("webhook", "trigger", "generic", "--text", "avant")["messages"]
    following = project.start("webhook", "list", "-f", "--limit", "1", "--json-lines")
    try:
        assert following.stdout is not None
        seen = (json.loads(line) for line in following.stdout)
        assert next(seen)["message_id"] == before[0]
        sent = project.json("webhook", "trigger", "whatsapp", "--batch", "120", "--wait", "0")["messages"]
        found: set[str] = set()
        for one in seen:
            if one["message_id"] in sent:
                found.add(one["message_id"])
            else:  # an earlier one that was answered only now
                assert one["state"] != "pending"
            if len(found) == len(sent):
                break
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=120)
    nothing = project.json("webhook", "list", "--since", "0s")["webhooks"]
    assert nothing == []


def test_wrong_use_of_webhook_is_told(project: Project) -> None:
    assert "messenger, whatsapp, telegram, generic" in project.run("webhook", "trigger", "signal", status=2).stderr
    assert "--since" in project.run("webhook", "list", "--since", "soon", status=2).stderr
    assert "nothing to replay" in project.run("webhook", "replay", status=2).stderr
