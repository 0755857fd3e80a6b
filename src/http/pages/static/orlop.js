// Everything works without this file. With it: search as one types, commands to copy, and lists that
// follow pushes and deletions.
"use strict";

const announcer = document.getElementById("announcer");

function announce(text) {
  if (announcer) announcer.textContent = text;
}

// Gets a page of ours and takes the part `id` from it into this one.
let latest = 0;
async function refresh(url, id) {
  const mine = ++latest;
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok || answer.redirected) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
  const old = document.getElementById(id);
  if (mine !== latest || !fresh || !old) return false;
  old.replaceChildren(...fresh.childNodes);
  prepare(old);
  return true;
}

function searchAsOneTypes(form) {
  const id = form.dataset.live;
  let timer;
  const search = async () => {
    const query = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...query]) if (value === "") query.delete(name);
    const url = form.action.split("?")[0] + (query.size ? "?" + query : "");
    if (await refresh(url, id)) {
      history.replaceState(null, "", url);
      const rows = document.querySelectorAll(`#${id} tbody tr`).length;
      announce(rows === 1 ? "1 row" : `${rows} rows`);
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, 150);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search();
  });
}

// A button beside each command.
function addCopyButtons(part) {
  if (!navigator.clipboard) return;
  for (const code of part.querySelectorAll("[data-copy]")) {
    if (code.nextElementSibling?.classList.contains("copy")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy: " + (code.dataset.copy || code.textContent).slice(0, 80));
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.dataset.copy || code.textContent);
      button.textContent = "Copied";
      announce("Copied");
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    code.after(button);
  }
}

function prepare(part) {
  addCopyButtons(part);
}

function follow(address) {
  const part = document.querySelector("[data-refresh]");
  if (!part) return;
  // A part that has a page of its own changes often: nobody wants to hear of each time.
  const own = part.dataset.refresh;
  const events = new EventSource(address);
  let known = null;
  events.addEventListener("change", async (event) => {
    if (known !== null && known !== event.data && (await refresh(own || location.href, part.id)) && !own) {
      announce("The list has changed");
    }
    known = event.data;
  });
  addEventListener("pagehide", () => events.close());
}

prepare(document);
for (const form of document.querySelectorAll("form[data-live]")) searchAsOneTypes(form);
for (const choice of document.querySelectorAll("select[data-submit]")) {
  choice.addEventListener("change", () => choice.form.requestSubmit());
}
if (document.body.dataset.events) follow(document.body.dataset.events);
