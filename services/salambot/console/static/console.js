// The script of every page: fetch its live parts again, copy, replay, dark or light. No library.
"use strict";
const $ = (id) => document.getElementById(id);
const words = $("words").dataset;
const page = document.body.dataset;
const HEADERS = { "X-SalamBot-Console": "1" };

const TOLD_MS = 6000;
let leaving = 0;
function tell(text, { stays = false } = {}) {
  clearTimeout(leaving);
  $("status").textContent = text;
  if (text && !stays) leaving = setTimeout(tell, TOLD_MS, "");
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// --- pieces that are rendered by the server, fetched again while the page is looked at
async function refresh(place) {
  if (document.hidden) return;
  try {
    const answer = await fetch(place.dataset.refresh, { headers: HEADERS });
    if (!answer.ok) throw new Error(answer.status);
    const html = await answer.text();
    if (html.startsWith('<p class="stale')) keepLast(place, html);
    else replace(place, html);
    if (document.body.classList.contains("away")) tell("");
    document.body.classList.remove("away");
  } catch {
    if (!document.body.classList.contains("away")) tell(words.away, { stays: true });
    document.body.classList.add("away");
  }
}

// A service does not answer: what was shown stays, with the time it is from.
function keepLast(place, html) {
  if (place.querySelector(".stale")) return;
  place.insertAdjacentHTML("afterbegin", html);
  if (place.seen) place.querySelector(".stale").append(` ${words.since} ${new Date(place.seen).toLocaleTimeString("en-GB")}`);
  place.shown = undefined;
}

function replace(place, html) {
  place.seen = Date.now();
  if (place.shown === html) return;
  const open = [...place.querySelectorAll("details")].map((one) => one.open);
  const scrolled = [...place.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const focused = [...place.querySelectorAll("a, button, summary, [tabindex]")].indexOf(document.activeElement);
  place.innerHTML = place.shown = html; // every piece is escaped where it is rendered, and no inline script may run
  showLocalTimes(place);
  place.querySelectorAll("details").forEach((one, at) => { one.open = open[at] ?? false; });
  place.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = scrolled[at] ?? 0; });
  if (focused >= 0) place.querySelectorAll("a, button, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
}

function showLocalTimes(place) { // the server speaks UTC; people read the clock of their wall
  place.querySelectorAll("time[datetime]").forEach((one) => {
    const at = new Date(one.dateTime);
    if (!isNaN(at)) one.textContent = at.toLocaleTimeString("en-GB");
  });
}
showLocalTimes(document);

async function keepFresh(place) {
  await refresh(place);
  setTimeout(keepFresh, Number(place.dataset.every), place);
}
document.querySelectorAll("[data-refresh]").forEach((place) => {
  place.seen = Date.now();
  setTimeout(keepFresh, Number(place.dataset.every), place);
});

// --- copying and replaying
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy], button[data-replay]");
  if (!button) return;
  if (button.dataset.copy !== undefined) {
    await copy(button.dataset.copy);
    tell(`${words.copied}${words.colon}${button.dataset.copy}`);
    return;
  }
  const answer = await fetch(`/console/webhooks/${encodeURIComponent(button.dataset.replay)}/replay`, { method: "POST", headers: HEADERS });
  const result = await answer.json();
  const refused = result.refused?.[0]?.reason ?? result.detail;
  tell(answer.ok && result.replayed.length ? `${words.replayed}${words.colon}${result.replayed}` : `${words.refused}${words.colon}${refused ?? ""}`);
  document.querySelectorAll("[data-refresh]").forEach(refresh);
});

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no permission: select it, so that the keyboard can copy
    const shown = [...document.querySelectorAll("code")].find((one) => one.textContent === text);
    if (shown) getSelection().selectAllChildren(shown);
  }
}

// --- dark or light: the system's wish, until somebody chooses
const root = document.documentElement;
root.dataset.theme = localStorage.getItem("theme") ?? "";
$("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
