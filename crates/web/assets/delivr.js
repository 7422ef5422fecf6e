// What a page does by itself where scripts run. Everything works without it.

const regions = () => [...document.querySelectorAll("[data-live][id]")];

// Times: how far away they are, as the server writes it.
function distance(seconds) {
  const away = Math.abs(seconds);
  if (away < 45) return seconds > 0 ? "in a moment" : "just now";
  const [count, unit] =
    away < 5400 ? [Math.round(away / 60), "min"] : away < 129600 ? [Math.round(away / 3600), "h"] : [Math.round(away / 86400), "d"];
  return seconds > 0 ? `in ${count} ${unit}` : `${count} ${unit} ago`;
}

// The server's clock, whatever that of this machine says.
const skew = Date.parse(document.body.dataset.now) - Date.now() || 0;

function age() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    const text = distance((Date.parse(element.dateTime) - Date.now() - skew) / 1000);
    const place = element.querySelector(".ago");
    if (!place) continue;
    const shown = place.textContent.startsWith("(") ? `(${text})` : text;
    if (place.textContent !== shown) place.textContent = shown;
  }
}

// What a region says, without the secrets of its forms, which are written anew in every page.
const written = (region) => region.innerHTML.replace(/name="csrf" value="\w*"/g, "");

// The same page again, with what changed put in its place. What somebody is using stays as it is.
let asked = false;
let again = false;
async function refresh() {
  if (asked) {
    again = true;
    return;
  }
  asked = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of regions()) {
      const other = fresh.getElementById(region.id);
      if (!other || written(other) === written(region)) continue;
      if (region.contains(document.activeElement) && document.activeElement !== region) continue;
      const open = new Map([...region.querySelectorAll("details[id]")].map((it) => [it.id, it.open]));
      region.replaceChildren(...[...other.childNodes].map((node) => document.importNode(node, true)));
      for (const [id, was] of open) {
        const details = document.getElementById(id);
        if (details) details.open = was;
      }
    }
    age();
    seize();
    connected(true);
  } catch {
    connected(false);
  } finally {
    asked = false;
    if (again) {
      again = false;
      setTimeout(refresh, 250);
    }
  }
}

let asOf = new Date();
function connected(yes) {
  const notice = document.getElementById("offline");
  if (!notice) return;
  if (yes) asOf = new Date();
  const place = notice.querySelector("[data-asof]");
  if (place) place.textContent = asOf.toLocaleTimeString();
  notice.hidden = yes;
}

// The live stream of a release. Its events have many names, and every one means that something changed; so the stream is
// read as a stream, which needs no list of the names.
async function follow(element) {
  let last = null;
  let wait = 1000;
  for (;;) {
    try {
      const body = new URLSearchParams({ csrf: element.dataset.csrf });
      const given = await fetch(element.dataset.stream, { method: "POST", body, redirect: "error" });
      if (given.status === 403 || given.status === 404) return;
      if (!given.ok) throw new Error(`status ${given.status}`);
      const { url } = await given.json();
      const headers = { accept: "text/event-stream", ...(last ? { "last-event-id": last } : {}) };
      const answer = await fetch(url, { headers });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      // What happened while nobody listened.
      if (last === null || wait > 1000) refresh();
      connected(true);
      document.body.dataset.connected = "yes";
      wait = 1000;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const messages = (rest + value).split("\n\n");
        rest = messages.pop();
        for (const message of messages) {
          last = /^id: (\d+)$/m.exec(message)?.[1] ?? last;
          if (/^data:/m.test(message)) refresh();
        }
      }
    } catch {
      connected(false);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, 30000);
  }
}

// Pages of many releases: how far what happened has come is asked often, and the page only when that has changed. Nobody
// asks for a page that nobody looks at.
async function watch(csrf) {
  let known = null;
  for (;;) {
    if (!document.hidden) {
      try {
        const answer = await fetch("/live", { method: "POST", body: new URLSearchParams({ csrf }), redirect: "error" });
        if (answer.status === 403) return;
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        const now = JSON.stringify(await answer.json());
        connected(true);
        document.body.dataset.connected = "yes";
        if (known !== null && known !== now) refresh();
        known = now;
      } catch {
        connected(false);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 3000));
  }
}

// Keys: one for each place, two strokes, never while somebody writes.
const places = { d: "/", b: "/board", r: "/releases", q: "/queues", t: "/timeline", a: "/activity", s: "/services", i: "/integrations", o: "/operations", e: "/settings", p: "/profile" };
let first = "";
function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
  if (event.key === "?") {
    document.getElementById("keys")?.showModal();
  } else if (event.key === "/") {
    event.preventDefault();
    const box = document.getElementById("q");
    if (box) box.focus();
    else location.assign("/releases#q");
  } else if (first === "g" && places[event.key]) {
    location.assign(places[event.key]);
  }
  first = event.key;
}

// A form that is on its way says so, and is not sent twice.
function sent(event) {
  if (event.defaultPrevented || event.target.method !== "post") return;
  const button = event.submitter;
  if (!button) return;
  if (button.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  button.setAttribute("aria-busy", "true");
}

// The board: a card can be carried to a column. What that comes to is asked of the server, which says why not as well.
let carried = null;
function carry(event) {
  const card = event.target.closest?.("[data-move]");
  if (!card) return;
  carried = card;
  card.classList.add("carried");
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.dataset.move);
}
function over(event) {
  const column = carried && event.target.closest?.("[data-status]");
  for (const other of document.querySelectorAll(".column.under")) if (other !== column) other.classList.remove("under");
  if (!column || column.contains(carried)) return;
  event.preventDefault();
  column.classList.add("under");
}
function drop(event) {
  const column = carried && event.target.closest?.("[data-status]");
  if (!column || column.contains(carried)) return;
  event.preventDefault();
  location.assign(`${carried.dataset.move}?to=${column.dataset.status}`);
}
function lay() {
  carried?.classList.remove("carried");
  carried = null;
  for (const column of document.querySelectorAll(".column.under")) column.classList.remove("under");
}
const seize = () => {
  for (const card of document.querySelectorAll("[data-move]:not([draggable])")) card.draggable = true;
};
document.addEventListener("dragstart", carry);
document.addEventListener("dragover", over);
document.addEventListener("drop", drop);
document.addEventListener("dragend", lay);
seize();

document.addEventListener("keydown", key);
document.addEventListener("submit", sent);
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});
addEventListener("offline", () => connected(false));
addEventListener("online", refresh);
if (location.hash === "#q") document.getElementById("q")?.focus();
age();
setInterval(age, 15000);
const stream = document.querySelector("[data-stream]");
if (stream) follow(stream);
else if (document.querySelector("main [data-live][id]")) {
  watch(document.getElementById("stops")?.dataset.csrf ?? "");
  // What changes with time alone.
  setInterval(() => document.hidden || refresh(), 30000);
}
