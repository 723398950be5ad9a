// The conversation of the first page: it streams, opens its sources, and survives a reload. Loaded after console.js.
"use strict";
const API = { Authorization: "Bearer dev-token", "Content-Type": "application/json" };
const MAX_EXCHANGES = 10;
let exchanges = [];
let running = null;
let conversation = crypto.randomUUID();

function keep() {
  exchanges = exchanges.slice(-MAX_EXCHANGES);
  sessionStorage.setItem("conversation", JSON.stringify({ conversation, exchanges }));
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem("conversation") ?? "null");
  if (!kept) return;
  ({ conversation, exchanges } = kept);
  for (const { prompt, reply } of exchanges) {
    message(words.you, prompt, "user");
    const { made, body } = message(words.bot, "", "bot");
    completed(made, body, prompt, reply);
  }
}

function message(who, text, kind) {
  const body = element("p", { className: "text", dir: "auto", textContent: text });
  const made = element("article", { className: `message ${kind}` }, element("h3", { textContent: who }), body);
  $("log").append(made);
  made.scrollIntoView({ block: "nearest" });
  return { made, body };
}

function completed(made, body, prompt, reply) {
  const data = reply.data;
  body.textContent = data.reply;
  body.lang = data.language;
  const facts = element("p", { className: "quiet facts" });
  facts.append(element("span", { className: "language", textContent: `${words.language}${words.colon}${data.language}` }), " · ", `${data.provider}/${data.model}`, " · ", trace(reply.trace_id), " · ", why(prompt));
  made.append(facts);
  if (data.citations.length) made.append(sources(data.citations, prompt));
}

function why(prompt) {
  return element("a", { href: `/console/knowledge?${new URLSearchParams({ q: prompt })}`, textContent: words.why });
}

function trace(id) {
  const short = `${words.trace} ${id.slice(0, 8)}`;
  if (page.tracePage) return element("a", { href: page.tracePage.replace(/\{trace_id\}|%7Btrace_id%7D/, id), textContent: short, rel: "noreferrer" });
  const button = element("button", { type: "button", className: "plain", textContent: short });
  button.dataset.copy = `salambot logs --grep ${id}`;
  return button;
}

function sources(citations, prompt) {
  const list = element("ol", { className: "sources" });
  for (const citation of citations) {
    const button = element("button", { type: "button", className: "plain", dir: "auto", textContent: citation.title });
    button.addEventListener("click", () => openPassage(citation, prompt));
    list.append(element("li", {}, button));
  }
  return element("div", {}, element("h4", { textContent: words.sources }), list);
}

async function openPassage(citation, prompt) {
  $("passage-title").textContent = citation.title;
  $("passage-uri").textContent = citation.uri;
  $("passage-text").textContent = "…";
  $("passage").showModal();
  const query = async (text) => {
    const body = JSON.stringify({ query: text, tenant: page.tenant, top_k: 20 });
    const answer = await fetch("/v1/search/query", { method: "POST", headers: API, body });
    return answer.ok ? (await answer.json()).results.find((one) => one.id === citation.id) : undefined;
  };
  const found = (await query(prompt)) ?? (await query(citation.title));
  $("passage-text").textContent = found?.text ?? words.gone;
  if (found) $("passage-text").lang = found.language;
}

async function ask(prompt) {
  message(words.you, prompt, "user");
  const { made, body } = message(words.bot, "", "bot");
  made.setAttribute("aria-busy", "true");
  running = new AbortController();
  $("stop").hidden = false;
  try {
    for await (const [name, data] of reply(prompt, running.signal)) {
      if (name === "reply.delta") body.textContent += data.text;
      if (name === "reply.completed") {
        completed(made, body, prompt, data);
        exchanges.push({ prompt, reply: data });
        keep();
      }
      if (name === "reply.error") throw new Error(data.detail ?? data.title);
    }
  } catch (error) {
    const why = error.name === "AbortError" ? words.stopped : `${words.broken}${words.colon}${error.message}`;
    made.append(element("p", { className: "error", textContent: why }));
  } finally {
    running = null;
    $("stop").hidden = true;
    made.removeAttribute("aria-busy");
    made.scrollIntoView({ block: "nearest" });
  }
}

async function* reply(prompt, signal) {
  const turns = exchanges.flatMap((one) => [{ role: "user", content: one.prompt }, { role: "assistant", content: one.reply.data.reply }]);
  const body = {
    schema_version: "1.0", tenant: page.tenant, channel: "webchat", message_id: `msg_${crypto.randomUUID()}`,
    correlation_id: `console_${conversation}`, timestamp: new Date().toISOString(), data: { prompt, context: turns },
  };
  const headers = { ...API, Accept: "text/event-stream" };
  const answer = await fetch("/v1/generate/reply", { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!answer.ok) {
    const problem = await answer.json();
    throw new Error(problem.detail ?? problem.title);
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (name && data) yield [name, JSON.parse(data)];
    }
  }
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const prompt = $("prompt").value.trim();
  if (!prompt || running) return;
  $("prompt").value = "";
  ask(prompt);
});
$("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("ask").requestSubmit();
  }
});
$("stop").addEventListener("click", () => running?.abort());
$("forget").addEventListener("click", () => {
  exchanges = [];
  conversation = crypto.randomUUID();
  keep();
  $("log").replaceChildren();
  $("prompt").focus();
});
$("samples").addEventListener("click", (event) => {
  if (event.target.matches("button") && !running) ask(event.target.textContent);
});

restore();
