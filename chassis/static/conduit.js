/* Conveniences for pages that already work without this file: live boards, instant search in a list, keys to
   go through one, forms that are saved as one goes, a submit button that cannot be pressed twice, and the way
   back from a form that had a fault. It knows nothing about what a page shows. */
"use strict";

/* Search: input[data-filter="#table"] hides the rows that lack one of the words typed. */

const plain = (text) => text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();

function filterRows(input) {
  const table = document.querySelector(input.dataset.filter);
  if (!table) return;
  const words = plain(input.value).split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = plain(row.textContent);
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) shown += 1;
  }
  const count = input.form?.querySelector("[data-filter-count]");
  if (count) count.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length} shown` : "";
}

document.addEventListener("input", (event) => {
  if (event.target.matches("input[data-filter]")) filterRows(event.target);
});

/* Instant: form[data-instant="id"] asks its own address as one types, and puts the answer where that id is. */

const PAUSE_MS = 250; // after the last key

function instantly(form) {
  const region = document.getElementById(form.dataset.instant);
  let waiting = null;
  let asked = null; // the request on its way: an older answer never comes after a newer one

  function address() {
    const fields = [...new FormData(form)].filter(([, value]) => value);
    const query = new URLSearchParams(fields).toString();
    return query ? `${form.action}?${query}` : form.action;
  }

  async function ask() {
    const here = address();
    asked?.abort();
    asked = new AbortController();
    region.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(here, { headers: { Accept: "text/html" }, cache: "no-store", signal: asked.signal });
      if (answer.redirected || !answer.ok) { location.assign(here); return; }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(region.id);
      if (!fresh) { location.assign(here); return; }
      const before = remembered(region);
      region.replaceChildren(...fresh.childNodes);
      restore(region, before);
      history.replaceState(null, "", here);
    } catch (error) {
      if (error.name !== "AbortError") location.assign(here);
      return;
    }
    region.removeAttribute("aria-busy");
  }

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(ask, PAUSE_MS);
  }

  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(waiting); ask(); });
}

document.querySelectorAll("form[data-instant]").forEach(instantly);

/* Checks: form[data-checks="id"] sends what is typed to where its button [formaction] would, and puts the answer
   where that id is; what there is to say of it goes to "id-words". Nothing is kept by it. */

function checks(form) {
  const region = document.getElementById(form.dataset.checks);
  const place = document.getElementById(`${form.dataset.checks}-words`);
  const button = form.querySelector("button[formaction]");
  let waiting = null;
  let asked = null;

  async function check() {
    asked?.abort();
    asked = new AbortController();
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(button.formAction, { method: "POST", body, signal: asked.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = answer.ok && page.getElementById(region.id);
      if (!fresh) return;
      region.replaceChildren(...fresh.childNodes);
      if (place && place.textContent !== fresh.dataset.say) place.textContent = fresh.dataset.say;
    } catch { /* The next key tries again, and the button always works. */ }
  }

  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(check, PAUSE_MS); });
}

document.querySelectorAll("form[data-checks]").forEach(checks);

/* Keys: [data-keys] says which there are and lets one turn them off; [data-rows] is the table they go through. */

const help = document.querySelector("[data-keys]");
if (help) help.hidden = false;

const keysAreOn = () => help?.querySelector("input[type=checkbox]").checked;

const links = () => [...document.querySelectorAll("[data-rows] tbody th a")];

function step(by) {
  const all = links();
  const row = document.activeElement.closest?.("[data-rows] tbody tr");
  const at = row ? all.findIndex((link) => row.contains(link)) : (by > 0 ? -1 : 0);
  all[Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
}

function press(event) {
  if (!keysAreOn() || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target;
  const search = document.querySelector("input[type=search]");
  const ticks = target.matches("input[type=checkbox]");
  if (target === search && event.key === "ArrowDown") { event.preventDefault(); step(1); return; }
  if (target.matches("input, select, textarea, [contenteditable]") && !ticks) return;
  const inside = target.closest("[data-rows]");
  if (event.key === "/") { event.preventDefault(); search?.focus(); search?.select(); return; }
  if (event.key === "j" || (inside && event.key === "ArrowDown")) { event.preventDefault(); step(1); return; }
  if (event.key === "k" || (inside && event.key === "ArrowUp")) { event.preventDefault(); step(-1); return; }
  if (event.key === "x" && inside && !ticks) target.closest("tr")?.querySelector("input[type=checkbox]")?.click();
}

document.addEventListener("keydown", press);

/* Forms: form[data-once] gives its button up after one press; coming back with "back" revives it. What button[data-file]
   asks for is saved as a file, and the page stays. */

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-once]") || event.submitter?.matches("[data-file]")) return;
  const buttons = event.target.querySelectorAll("button[type=submit]");
  // After the browser has collected the fields: a disabled button would not be among them.
  setTimeout(() => buttons.forEach((button) => { button.disabled = true; }));
});

addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelectorAll("form[data-once] button[type=submit]").forEach((button) => { button.disabled = false; });
});

/* Answers: html[data-answer] answers a form, and its address shows that form too. Once it is sent on, "back" leads to
   the form as it stands then, and not to sending the old one again. Until then reloading loses nothing. */

document.addEventListener("submit", (event) => {
  const answers = "answer" in document.documentElement.dataset;
  if (answers && !event.defaultPrevented) history.replaceState(null, "", location.href);
});

/* Saves: form[data-saves] is sent as one goes; its hidden fields then come from the page that answers, and
   [data-saved] says how it went. What the server does not take waits for the button. */

const said = (form) => new URLSearchParams(
  [...new FormData(form)].filter(([name]) => form.elements[name].type !== "hidden"),
).toString();

function saves(form) {
  const place = form.querySelector("[data-saved]");
  let busy = false; // one at a time: the next one needs the version that this one makes
  let again = false;
  let pressed = null; // the button that waits for the last one
  let unheard = null; // what was sent when the connection broke: it may have arrived, or not

  function say(words) {
    place.hidden = false;
    place.textContent = words;
  }

  async function read(answer) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("form[data-saves]");
    if (!answer.ok || !fresh) throw new Error("not taken");
    return fresh;
  }

  function take(fresh) {
    for (const field of form.querySelectorAll("input[type=hidden]")) {
      field.value = fresh.elements[field.name].value;
    }
  }

  async function hear() {
    if (unheard === null) return;
    const fresh = await read(await fetch(form.action, { cache: "no-store" }));
    if (said(fresh) === unheard) take(fresh);
    unheard = null;
  }

  async function save() {
    if (busy) { again = true; return; }
    busy = true;
    again = false;
    say("Saving…");
    try {
      await hear();
      unheard = said(form);
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      unheard = null;
      take(await read(answer));
      say("Saved.");
    } catch {
      say("Not saved yet. Press the button to try again.");
      again = false;
    }
    busy = false;
    if (pressed) send(); else if (again) save();
  }

  async function send() {
    await hear().catch(() => { /* The browser says that there is no connection. */ });
    unheard = null;
    form.requestSubmit(pressed);
  }

  form.addEventListener("change", save);
  form.addEventListener("submit", (event) => {
    if (!busy && unheard === null) return;
    event.preventDefault();
    pressed = event.submitter;
    if (!busy) send();
  });
}

document.querySelectorAll("form[data-saves]").forEach(saves);

/* Live: an element with an id and data-live="/url" is fetched anew whenever that stream says something. */

const QUIET_MS = 1000; // at most one fetch a second, however fast the events come
const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 60000;
const PATIENCE_MS = 5000; // a gap that is mended sooner, as by a restart, is not spoken of
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "short", timeZone: "Europe/London" });

function remembered(region) {
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  return {
    focusId: focused?.id,
    focusHref: focused?.getAttribute("href"),
    caret: focused?.matches("input[type=search]") ? focused.selectionStart : null,
    typed: [...region.querySelectorAll("input[id], textarea[id], select[id]")]
      .map((field) => [field.id, field.value, field.checked]),
    open: [...region.querySelectorAll("details[id][open]")].map((details) => details.id),
    scroll: [scrollX, scrollY],
  };
}

function restore(region, before) {
  for (const [id, value, checked] of before.typed) {
    const field = document.getElementById(id);
    if (!field) continue;
    field.value = value;
    field.checked = checked;
  }
  before.open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  region.querySelectorAll("input[data-filter]").forEach(filterRows);
  const focus = before.focusId
    ? document.getElementById(before.focusId)
    : before.focusHref && region.querySelector(`[href="${CSS.escape(before.focusHref)}"]`);
  focus?.focus({ preventScroll: true });
  if (before.caret !== null) focus?.setSelectionRange?.(before.caret, before.caret);
  scrollTo(...before.scroll);
}

// What is replaced while somebody presses it is not pressed.
let pressed = false;
addEventListener("pointerdown", () => { pressed = true; }, true);
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => setTimeout(() => { pressed = false; }), true);
}

function follow(region) {
  const { id } = region;
  const stream = region.dataset.live;
  let source = null;
  let wait = FIRST_WAIT_MS;
  let fetching = false;
  let again = false;
  let finished = false;
  let gap = null;
  const notice = document.createElement("p");
  notice.className = "sheet trouble strong not-live";

  async function renew() {
    if (fetching) { again = true; return; }
    fetching = true;
    again = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        show(page.getElementById(id));
        confirmed(page.querySelector(".flash"));
      }
      // It is not there any more, or not for this viewer: so nothing of it may stay on the screen.
      else if (answer.status === 404) location.reload();
    } catch { /* The next event, or the reconnection, tries again. */ }
    setTimeout(() => { fetching = false; if (again && !finished) renew(); }, QUIET_MS);
  }

  function show(fresh) {
    const current = document.getElementById(id);
    if (!fresh || !current) return;
    if (pressed) { again = true; return; }
    const before = remembered(current);
    current.replaceChildren(...fresh.childNodes);
    restore(current, before);
    say(fresh.dataset.say);
    if (!fresh.dataset.live) { finished = true; source?.close(); }
  }

  // What was confirmed may be so no longer.
  function confirmed(fresh) {
    const told = document.querySelector(".flash");
    if (told && told.textContent !== fresh?.textContent) told.replaceWith(...(fresh ? [fresh] : []));
  }

  function say(words) {
    const place = document.getElementById("live-words");
    if (place && words && place.textContent !== words) place.textContent = words;
  }

  // Nothing here shows by itself that nobody tells of changes any more.
  function lose() {
    const since = CLOCK.format(new Date());
    gap ??= setTimeout(() => {
      notice.textContent = `This page has not been live since ${since}: what it shows may be out of date. `
        + "It will be live again by itself.";
      region.before(notice);
      say(notice.textContent);
    }, PATIENCE_MS);
  }

  function regain() {
    clearTimeout(gap);
    gap = null;
    notice.remove();
  }

  function connect() {
    source = new EventSource(stream);
    // What happened before the stream was open, it does not tell.
    source.onopen = () => { wait = FIRST_WAIT_MS; regain(); renew(); };
    source.onmessage = renew;
    source.onerror = () => {
      if (finished) return;
      lose();
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => { renew(); connect(); }, wait * (0.5 + Math.random()));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    };
  }

  connect();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted && !finished) { connect(); renew(); } });
}

document.querySelectorAll("[data-live][id]").forEach(follow);
document.querySelectorAll("input[data-filter]").forEach(filterRows);
