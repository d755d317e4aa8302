// Keeps <main> fresh: asks for the same page every few seconds and swaps it in. Without this script the page reloads itself.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const GIVE_UP_MS = 15000;
  const root = document.documentElement;
  const updated = document.getElementById("updated");
  const lost = document.getElementById("lost");
  const dot = document.getElementById("pulse");
  const said = document.getElementById("said");
  let answeredAt = performance.now();
  let answeredTime = updated.dataset.at;
  let underWay = false;

  const ago = (ms) => {
    const seconds = Math.max(0, Math.round(ms / 1000));
    return seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
  };
  const tick = () => { updated.textContent = `updated ${ago(performance.now() - answeredAt)} ago`; };

  // A live region speaks whenever it is written to; and one within <main> would speak at every swap.
  const tell = (region, text) => { if (region.textContent !== text) region.textContent = text; };
  const say = () => tell(said, [...document.querySelectorAll("main [data-say]")].map((each) => each.textContent.trim()).join(". "));
  const found = () => {
    root.classList.remove("lost");
    root.classList.add("live");
    dot.classList.toggle("failed", document.querySelector('main[data-state="error"]') !== null);
    lost.hidden = true;
  };
  const lose = (why) => {
    root.classList.remove("live");
    root.classList.add("lost");
    tell(lost, `${why} What you see was true at ${answeredTime}. Asking again every ${EVERY_MS / 1000} s.`);
    lost.hidden = false;
  };

  // What a reader has opened or stands on must not change under their hands.
  const keyOf = (element) => element.id ? `#${CSS.escape(element.id)}` : element.getAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : "summary";
  const swap = (fresh) => {
    const stale = document.querySelector("main");
    const selection = getSelection();
    if (stale && selection && !selection.isCollapsed && stale.contains(selection.anchorNode)) return;
    const open = [...document.querySelectorAll("main details[open][id]")].map((each) => each.id);
    const scrolled = [...document.querySelectorAll("main details[open][id] .scroll")].map((each) => each.scrollTop);
    const focused = stale && stale.contains(document.activeElement) ? document.activeElement : null;
    const key = focused && (focused.tagName === "SUMMARY" ? `#${CSS.escape(focused.parentElement.id)} > summary` : keyOf(focused));
    const main = document.adoptNode(fresh);
    if (stale) stale.replaceWith(main); else document.querySelector(".foot").before(main);
    open.forEach((id, index) => {
      const details = document.getElementById(id);
      if (!details) return;
      details.open = true;
      const scroll = details.querySelector(".scroll");
      if (scroll) scroll.scrollTop = scrolled[index];
    });
    if (key) main.querySelector(key)?.focus({ preventScroll: true });
  };

  const ask = async () => {
    if (underWay || document.hidden) return;
    underWay = true;
    try {
      const response = await fetch(location.href, { cache: "no-store", headers: { Accept: "*/*" }, signal: AbortSignal.timeout(GIVE_UP_MS) });
      const answer = new DOMParser().parseFromString(await response.text(), "text/html");
      const main = answer.querySelector("main");
      const errorShown = document.querySelector('main[data-state="error"]') !== null;
      if (main && (response.ok || response.status === 404 || errorShown)) {
        swap(main);
        say();
        answeredAt = performance.now();
        answeredTime = answer.getElementById("updated").dataset.at;
        dot.classList.remove("beat");
        requestAnimationFrame(() => dot.classList.add("beat"));
        found();
      } else {
        const problem = main && main.querySelector("[data-problem]");
        lose(problem ? `The service has a problem (${response.status}): ${problem.textContent.trim()}` : `The service answers ${response.status}.`);
      }
    } catch {
      lose("The service has stopped answering.");
    } finally {
      underWay = false;
    }
  };

  document.querySelector(".skeleton")?.remove();
  found();
  say();
  tick();
  setInterval(tick, 1000);
  setInterval(ask, EVERY_MS);
  document.addEventListener("visibilitychange", ask);
})();
