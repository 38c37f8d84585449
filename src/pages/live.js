// Keeps the page as it is at the server: asks for the version now and then, and puts the new content in its place.
(() => {
  const EVERY = 2000, PATIENCE = 30000;
  const status = document.getElementById("live");
  let version = null, wait = EVERY;

  async function refresh() {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    const open = new Map([...document.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
    for (const details of next.querySelectorAll("details[id]")) {
      if (open.has(details.id)) details.open = open.get(details.id);
    }
    const focused = document.activeElement && document.activeElement.getAttribute("href");
    for (const part of ["main", "header", "footer p"]) {
      const [old, fresh] = [document.querySelector(part), next.querySelector(part)];
      if (old && fresh && old.innerHTML !== fresh.innerHTML) old.innerHTML = fresh.innerHTML;
    }
    document.title = next.title;
    if (focused) [...document.links].find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
  }

  async function look() {
    try {
      const answer = await fetch("version", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const found = await answer.text();
      if (version !== null && version !== found) await refresh();
      version = found;
      wait = EVERY;
      status.textContent = "live";
    } catch {
      wait = Math.min(wait * 2, PATIENCE);
      status.textContent = "not live: the server does not answer";
    }
    setTimeout(start, wait);
  }

  // A page in the background asks when it is looked at again.
  const start = () => document.hidden ? document.addEventListener("visibilitychange", start, { once: true }) : look();
  start();
})();
