/* Conveniences for pages that already work without this file: live boards, instant search in a list,
   and a submit button that cannot be pressed twice. It knows nothing about what a page shows. */
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

/* Forms: form[data-once] gives its button up after one press; coming back with "back" revives it. */

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-once]")) return;
  const buttons = event.target.querySelectorAll("button[type=submit]");
  // After the browser has collected the fields: a disabled button would not be among them.
  setTimeout(() => buttons.forEach((button) => { button.disabled = true; }));
});

addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelectorAll("form[data-once] button[type=submit]").forEach((button) => { button.disabled = false; });
});

/* Live: an element with an id and data-live="/url" is fetched anew whenever that stream says something. */

const QUIET_MS = 1000; // at most one fetch a second, however fast the events come
const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 60000;

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

function follow(region) {
  const { id } = region;
  const stream = region.dataset.live;
  let source = null;
  let wait = FIRST_WAIT_MS;
  let fetching = false;
  let again = false;
  let finished = false;

  async function renew() {
    if (fetching) { again = true; return; }
    fetching = true;
    again = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id));
    } catch { /* The next event, or the reconnection, tries again. */ }
    setTimeout(() => { fetching = false; if (again && !finished) renew(); }, QUIET_MS);
  }

  function show(fresh) {
    const current = document.getElementById(id);
    if (!fresh || !current) return;
    const before = remembered(current);
    current.replaceChildren(...fresh.childNodes);
    restore(current, before);
    say(fresh.dataset.say);
    if (!fresh.dataset.live) { finished = true; source?.close(); }
  }

  function say(words) {
    const place = document.getElementById("live-words");
    if (place && words && place.textContent !== words) place.textContent = words;
  }

  function connect() {
    source = new EventSource(stream);
    let lost = false;
    source.onopen = () => { wait = FIRST_WAIT_MS; if (lost) renew(); lost = false; };
    source.onmessage = renew;
    source.onerror = () => {
      lost = true;
      if (source.readyState !== EventSource.CLOSED || finished) return;
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
