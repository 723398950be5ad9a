// SalamBot's web chat for any site: one script, no library, a shadow root of its own.
// <script src="https://bot.example/widget.js" data-site="KEY" async></script>; also data-lang, data-title, data-color.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.SalamBot) return;
  const { site = "", lang, title = "SalamBot", color } = script.dataset;
  const api = new URL(`/v1/widget/${encodeURIComponent(site)}/`, script.src);
  const KEPT = `salambot.${site}`;
  const MAX_TURNS = 20;
  const MAX_LENGTH = 2000;

  const TEXTS = {
    fr: { open: "Ouvrir la discussion", close: "Fermer la discussion", label: "Votre message", send: "Envoyer", you: "Vous", log: "Messages", hello: "Bonjour ! Comment puis-je vous aider ?", again: "Réessayer", busy: "Trop de messages à la fois. Réessayez dans {s} s.", broken: "La réponse n'est pas arrivée.", refused: "La discussion n'est pas disponible sur ce site.", fresh: "Nouvelle discussion" },
    ar: { open: "فتح المحادثة", close: "إغلاق المحادثة", label: "رسالتك", send: "إرسال", you: "أنت", log: "الرسائل", hello: "مرحبا! كيف يمكنني مساعدتك؟", again: "إعادة المحاولة", busy: "رسائل كثيرة في وقت واحد. أعد المحاولة بعد {s} ثانية.", broken: "لم يصل الرد.", refused: "المحادثة غير متاحة على هذا الموقع.", fresh: "محادثة جديدة" },
    en: { open: "Open the chat", close: "Close the chat", label: "Your message", send: "Send", you: "You", log: "Messages", hello: "Hello! How can I help you?", again: "Try again", busy: "Too many messages at once. Try again in {s} s.", broken: "The reply did not arrive.", refused: "The chat is not available on this site.", fresh: "New chat" },
  };
  const wished = [lang, document.documentElement.lang, navigator.language].map((one) => (one ?? "").slice(0, 2).toLowerCase());
  const language = wished.find((one) => TEXTS[one]) ?? "fr";
  const say = TEXTS[language];
  const direction = language === "ar" ? "rtl" : "ltr";

  const STYLE = `
    :host { all: initial; --accent: #0b6b4f; --on-accent: #fff; --paper: #fff; --ink: #1d2321; --quiet: #53605b; --line: #cfd6d2; --bot: #eef3f0; --user: #e6eef8; --bad: #b3261e; }
    @media (prefers-color-scheme: dark) { :host { --paper: #1b211f; --ink: #eef3f0; --quiet: #aebbb5; --line: #3b4642; --bot: #26302d; --user: #1d2a3d; --bad: #ff9c92; } }
    * { box-sizing: border-box; font-family: system-ui, "Noto Sans", "Noto Sans Arabic", sans-serif; font-size: 16px; line-height: 1.5; }
    [hidden] { display: none !important; }
    button { cursor: pointer; border: 0; border-radius: .6rem; padding: .4rem .8rem; min-height: 2.75rem; min-width: 2.75rem; background: var(--accent); color: var(--on-accent); }
    button.plain { background: transparent; color: inherit; }
    button:disabled { opacity: .55; cursor: default; }
    :focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; box-shadow: 0 0 0 2px var(--paper); }
    .launcher { position: fixed; inset-block-end: 1rem; inset-inline-end: 1rem; z-index: 2147483000; width: 3.5rem; height: 3.5rem; border-radius: 50%; padding: 0; display: grid; place-items: center; box-shadow: 0 4px 16px #0005; }
    svg { width: 1.6rem; height: 1.6rem; fill: currentColor; }
    .panel { position: fixed; inset-block-end: 5.25rem; inset-inline-end: 1rem; z-index: 2147483001; width: min(24rem, calc(100vw - 2rem)); height: min(36rem, calc(100vh - 7rem)); height: min(36rem, calc(100dvh - 7rem)); display: flex; flex-direction: column; background: var(--paper); color: var(--ink); border: 1px solid var(--line); border-radius: 1rem; overflow: hidden; box-shadow: 0 8px 32px #0006; }
    @media (max-width: 480px) { .panel { inset: 0; width: auto; height: auto; border: 0; border-radius: 0; } }
    header { display: flex; align-items: center; gap: .25rem; padding: .25rem .75rem; background: var(--accent); color: var(--on-accent); }
    h2 { flex: 1; margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
    header :focus-visible { outline-color: var(--on-accent); box-shadow: none; }
    .log { flex: 1; overflow-y: auto; padding: .75rem; display: flex; flex-direction: column; gap: .5rem; overscroll-behavior: contain; }
    .message { margin: 0; padding: .5rem .75rem; border-radius: .9rem; max-width: 85%; background: var(--bot); align-self: flex-start; white-space: pre-wrap; overflow-wrap: anywhere; }
    .message.user { background: var(--user); align-self: flex-end; }
    .message:lang(ar), .message:lang(ary) { line-height: 1.8; }
    .message[aria-busy]:empty::before { content: "…"; }
    .error { color: var(--bad); margin: 0; }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    form { display: flex; gap: .5rem; align-items: end; padding: .75rem; border-top: 1px solid var(--line); margin: 0; }
    textarea { flex: 1; min-width: 0; resize: none; max-height: 8rem; color: inherit; background: transparent; border: 1px solid var(--quiet); border-radius: .6rem; padding: .55rem .7rem; }
  `;

  const make = (name, properties = {}, ...children) => {
    const { aria = {}, ...rest } = properties;
    const made = Object.assign(document.createElement(name), rest);
    for (const [key, value] of Object.entries(aria)) made.setAttribute(key === "role" ? key : `aria-${key}`, value);
    made.append(...children);
    return made;
  };
  const icon = (path) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    made.setAttribute("viewBox", "0 0 24 24");
    made.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
    shape.setAttribute("d", path);
    made.append(shape);
    return made;
  };
  const BUBBLE = "M4 3h16a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2H9l-5 4v-4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z";
  const CROSS = "M6.4 5 12 10.6 17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4-5.6-5.6L6.4 19 5 17.6l5.6-5.6L5 6.4z";
  const ROUND = "M12 5V1L7 6l5 5V7a5 5 0 1 1-5 5H5a7 7 0 1 0 7-7z";

  // --- what is seen
  const host = make("div", { id: "salambot-widget", lang: language });
  const root = host.attachShadow({ mode: "open" });
  const launcher = make("button", { type: "button", className: "launcher", aria: { label: say.open, expanded: "false", controls: "panel" } }, icon(BUBBLE));
  const close = make("button", { type: "button", className: "plain", title: say.close, aria: { label: say.close } }, icon(CROSS));
  const fresh = make("button", { type: "button", className: "plain", title: say.fresh, aria: { label: say.fresh } }, icon(ROUND));
  const heading = make("h2", { id: "title", textContent: title });
  const log = make("div", { className: "log", tabIndex: 0, aria: { role: "log", live: "polite", label: say.log } });
  const input = make("textarea", { id: "prompt", rows: 1, dir: "auto", maxLength: MAX_LENGTH, required: true, placeholder: say.label, autocomplete: "off" });
  const send = make("button", { type: "submit", textContent: say.send });
  const form = make("form", {}, make("label", { className: "unseen", htmlFor: "prompt", textContent: say.label }), input, send);
  const panel = make("section", { id: "panel", className: "panel", hidden: true, aria: { role: "dialog", labelledby: "title" } }, make("header", {}, heading, fresh, close), log, form);
  const frame = make("div", { dir: direction }, launcher, panel);
  if (color && CSS.supports("color", color)) frame.style.setProperty("--accent", color);
  try { // a constructed sheet is allowed by a site's strict content security policy
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
  } catch {
    root.append(make("style", { textContent: STYLE }));
  }
  root.append(frame);

  const show = (open) => {
    panel.hidden = !open;
    launcher.setAttribute("aria-expanded", String(open));
    launcher.setAttribute("aria-label", open ? say.close : say.open);
    if (open && !log.childElementCount) message(say.hello, "bot", language);
    if (open) input.focus();
    else launcher.focus();
  };

  function message(text, kind, spoken = "") {
    const made = make("p", { className: `message ${kind}`, dir: "auto", lang: spoken, textContent: text });
    follow(() => log.append(made));
    return made;
  }

  function follow(change) { // scroll along, unless the reader has scrolled up
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
    change();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  // --- the conversation: kept in this tab, across its pages
  let turns = [];
  try {
    turns = JSON.parse(sessionStorage.getItem(KEPT)) ?? [];
  } catch { /* no storage, or not ours: begin again */ }
  const keep = () => {
    turns = turns.slice(-MAX_TURNS);
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(turns));
    } catch { /* no storage: this page remembers */ }
  };
  for (const turn of turns) message(turn.content, turn.role === "user" ? "user" : "bot");

  // --- the gateway
  let token = "";
  let expires = 0;
  class Refusal extends Error {}

  async function post(action, options) {
    const answer = await fetch(new URL(action, api), { method: "POST", credentials: "omit", referrerPolicy: "no-referrer", ...options });
    if (answer.status === 429) throw new Refusal(say.busy.replace("{s}", answer.headers.get("Retry-After") ?? "60"));
    if (answer.status === 403 || answer.status === 404) throw new Refusal(say.refused);
    return answer;
  }

  async function visit() {
    const answer = await post("session");
    if (!answer.ok) throw new Error(answer.status);
    const given = await answer.json();
    token = given.token;
    expires = Date.now() + (given.expires_in - 30) * 1000;
  }

  async function ask(prompt) {
    const body = JSON.stringify({ message_id: `msg_${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`, locale: language, data: { prompt, context: turns } });
    for (let tries = 0; ; tries += 1) {
      if (Date.now() >= expires) await visit();
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json", Accept: "text/event-stream" };
      const answer = await post("reply", { headers, body });
      if (answer.ok) return answer.body.getReader();
      if (answer.status !== 401 || tries) throw new Error(answer.status);
      expires = 0;
    }
  }

  async function* events(reader) {
    const decoder = new TextDecoder();
    for (let rest = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      const whole = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = whole.pop();
      for (const event of whole) {
        const name = /^event: (.*)$/m.exec(event)?.[1];
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (name && data) yield [name, JSON.parse(data)];
      }
    }
  }

  let running = false;
  async function talk(prompt) {
    running = send.disabled = fresh.disabled = true;
    const bubble = message("", "bot");
    bubble.setAttribute("aria-busy", "true");
    try {
      let reply;
      for await (const [name, data] of events(await ask(prompt))) {
        if (name === "reply.delta") follow(() => { bubble.textContent += data.text; });
        if (name === "reply.completed") reply = data.data;
      }
      if (!reply) throw new Error("no reply");
      follow(() => { bubble.textContent = reply.reply; });
      bubble.lang = reply.language;
      turns.push({ role: "user", content: prompt }, { role: "assistant", content: reply.reply });
      keep();
    } catch (error) {
      bubble.remove();
      const again = make("button", { type: "button", className: "plain", textContent: say.again });
      const failed = make("p", { className: "error", aria: { role: "alert" } }, error instanceof Refusal ? error.message : say.broken, " ", again);
      again.addEventListener("click", () => { failed.remove(); input.focus(); talk(prompt); });
      follow(() => log.append(failed));
    } finally {
      bubble.removeAttribute("aria-busy");
      running = send.disabled = fresh.disabled = false;
    }
  }

  // --- hands
  launcher.addEventListener("click", () => show(panel.hidden));
  close.addEventListener("click", () => show(false));
  panel.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the site's own shortcuts are not for what is typed here
    if (event.key === "Escape") show(false);
  });
  fresh.addEventListener("click", () => {
    turns = [];
    keep();
    log.replaceChildren();
    show(true);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const prompt = input.value.trim();
    if (!prompt || running) return;
    input.value = "";
    message(prompt, "user");
    log.scrollTop = log.scrollHeight;
    talk(prompt);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  window.SalamBot = { open: () => show(true), close: () => show(false) };
  const begin = () => document.body.append(host);
  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin);
})();
