"""Entries about managed services over HTTPS, the tunnel, telemetry, security and cost."""

from salambot_cli.doctor.catalogue_posture import POSTURE
from salambot_cli.doctor.entry import Entry

_SERVICES: tuple[Entry, ...] = (
    Entry(
        "s3.not-found",
        "high",
        "404, or a redirect to another region.",
        "`NoSuchBucket`, or the bucket's own region differs from AWS_REGION.",
        "Correct S3_BUCKET or AWS_REGION.",
        "export AWS_REGION=eu-west-1",
    ),
    Entry(
        "s3.iam-denied",
        "high",
        "403 on reading or writing objects.",
        "No bucket policy denies it: the caller's own policies do not allow it. The refused action is named.",
        "Grant s3:GetObject and s3:PutObject on `bucket/*` (and s3:ListBucket on the bucket).",
    ),
    Entry(
        "s3.policy-deny",
        "high",
        "403 although the caller's policies allow it.",
        "The message, or the bucket policy itself, denies explicitly.",
        "Take the statement out of the bucket policy, or except this caller from it.",
        "aws s3api get-bucket-policy --bucket BUCKET",
    ),
    Entry(
        "s3.kms-denied",
        "high",
        "403 on encrypted objects only.",
        "The message names a KMS action, or the key that encrypts the bucket is not enabled.",
        "Enable the key; grant kms:Decrypt and kms:GenerateDataKey on it.",
        "aws kms enable-key --key-id KEY",
    ),
    Entry(
        "secret.unavailable",
        "critical",
        "Start-up fails before anything runs.",
        "Secrets Manager says: missing, no value, scheduled for deletion, denied; or the JSON lacks the named key.",
        "Create or restore the secret, or correct `[aws] secret`.",
        "aws secretsmanager restore-secret --secret-id ID",
    ),
    Entry(
        "secret.stale",
        "medium",
        "An audit asks.",
        "The version labelled AWSCURRENT is older than 90 days.",
        "Rotate it.",
        "aws secretsmanager rotate-secret --secret-id ID",
    ),
    Entry(
        "vector.bad-key",
        "high",
        "Answers cite nothing.",
        "The vector database answers 401 or 403 to this key.",
        "Make a new key and store it where the environment reads it.",
    ),
    Entry(
        "vector.index-missing",
        "high",
        "404 on every search.",
        "The key is good, and the index is not in its project.",
        "Make the index in Pinecone's console and fill it, or use the key of the right project.",
        "salambot seed",
    ),
    Entry(
        "vector.dim-mismatch",
        "high",
        "400 on every upsert and search.",
        "The index's dimension is not the embedder's length.",
        "Fill an index of the embedder's dimension, named in PINECONE_INDEX; or use the model that filled this one.",
        "salambot seed --full",
    ),
    Entry(
        "vector.unavailable",
        "high",
        "Searches fail, with a key that is good.",
        "The state of the index (initialising, red), the status with the database's own words, or a web page in place "
        "of its answer; a limit of the plan is named.",
        "Check the host, and the provider's status page.",
    ),
    Entry(
        "vector.far-region",
        "medium",
        "Retrieval is slow.",
        "Setting up a connection takes long while the server answers quickly; the host names its region.",
        "Put index and services in one region; lower top_k.",
    ),
    Entry(
        "openai.quota",
        "high",
        "429 on every reply.",
        "`insufficient_quota` or `billing_not_active` in the answer is the account; `rate_limit_exceeded` passes by "
        "itself.",
        "Add credit, or slow down.",
    ),
    Entry(
        "openai.bad-key",
        "high",
        "401 on every reply.",
        "The model provider refuses the key, or the project's access to the model.",
        "Make a new key and store it where the environment reads it.",
    ),
    Entry(
        "openai.unavailable",
        "high",
        "Every reply fails, with a key that is good.",
        "One token is asked for: the model is unknown, the region is not served, the path is not there, or the status "
        "and the first words say why.",
        "Check OPENAI_BASE_URL and OPENAI_MODEL, and the provider's status page.",
    ),
    Entry(
        "tunnel.down",
        "critical",
        "No webhook arrives; 1033 or ERR_NGROK_3200 at the public URL.",
        "cloudflared's `/ready` (or ngrok's local API) says that no tunnel stands.",
        "Open it again. Tunnels dial out: no inbound port has to be opened for them.",
        "salambot tunnel",
    ),
    Entry(
        "tunnel.origin-down",
        "high",
        "502 or ERR_NGROK_8012 at the public URL.",
        "The tunnel stands and the gateway's port refuses.",
        "Start the gateway.",
        "salambot up gateway",
    ),
    Entry(
        "tunnel.ephemeral",
        "high",
        "Webhooks stopped after a restart.",
        "The tunnel's URL is not PUBLIC_BASE_URL, which Meta calls back.",
        "Use a named tunnel (`cloudflared tunnel login`, then create, route dns, run) or ngrok's free fixed domain; "
        "only custom names need a paid ngrok plan.",
        "cloudflared tunnel create salambot",
    ),
    Entry(
        "webhook.bad-hmac",
        "high",
        "Meta's deliveries are refused.",
        "A request signed over its raw bytes with the configured secret is refused, or the secret itself carries "
        "spaces or a newline.",
        "Verify the raw bytes as they came; strip the secret.",
    ),
    Entry(
        "otlp.wrong-path",
        "high",
        "404; no traces.",
        "The exporter adds /v1/traces to OTEL_EXPORTER_OTLP_ENDPOINT, and the result is not there.",
        "The endpoint is a base: for Grafana Cloud it ends in `/otlp`.",
    ),
    Entry(
        "otlp.unauthorized",
        "high",
        "401 or 403; no traces.",
        "The receiver refuses the header: a wrong instance id, token or scope, or a header that is not `name=value`.",
        "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Basic%20<base64 of id:token>",
    ),
    Entry(
        "otlp.protocol",
        "high",
        "Missing traces, 415.",
        "The port answers with HTTP/2 SETTINGS (gRPC), or refuses the content type.",
        "Use http/protobuf and the receiver's HTTP port (4318 on a local collector, 443 at Grafana Cloud).",
        "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
    ),
    Entry(
        "otlp.redirect-loss",
        "high",
        "Silent loss: the SDK reports success.",
        "The receiver answers with a redirect, which the exporter counts as delivered.",
        "Use the final https URL.",
    ),
    Entry(
        "otlp.throttled",
        "medium",
        "Gaps in traces.",
        "429 with Retry-After.",
        "Sample, and batch more.",
    ),
    Entry(
        "otlp.unavailable",
        "high",
        "Missing traces.",
        "The receiver answers 5xx, or refuses the request itself.",
        "Check the receiver and its status page.",
    ),
    Entry(
        "otlp.rejected",
        "high",
        "Silent loss: the SDK reports success.",
        "The receiver answers 200, and the answer's `partial_success` says how much it rejected and why.",
        "Lift the limit that the receiver names, or send less.",
    ),
    Entry(
        "otlp.never-sampled",
        "medium",
        "No traces, and every export works.",
        "OTEL_TRACES_SAMPLER is `always_off`, or records a share of 0.",
        "Record some: remove OTEL_TRACES_SAMPLER, or give it a share above 0.",
        "export OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.1",
    ),
    Entry(
        "metrics.missing",
        "medium",
        "Empty dashboards.",
        "The gateway answers, and its /metrics is no exposition text.",
        "Enable the exporter; restart the gateway.",
        "curl -s http://localhost:8080/metrics",
    ),
)

_PROJECT = Entry(
    "project.check-failed",
    "medium",
    "Something that this project asks for is not as it should be.",
    "A `[[doctor.check]]` of salambot.toml: its URL or command did not answer as expected.",
    "The remedy stands in the entry of salambot.toml.",
)

SERVICES: tuple[Entry, ...] = (*_SERVICES, _PROJECT, *POSTURE)
