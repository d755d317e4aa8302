// Keeps <main> fresh: asks for the same page every few seconds and swaps it in, while it is about now and nobody paused it. Without this
// script the page reloads itself. And lets a reader point at charts: one crosshair over all of them, and a stretch to look into.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const GIVE_UP_MS = 15000;
  const TYPED_MS = 200;
  const root = document.documentElement;
  const status = document.querySelector(".updated");
  const updated = document.getElementById("updated");
  const lost = document.getElementById("lost");
  const dot = document.getElementById("pulse");
  const said = document.getElementById("said");
  const live = status.dataset.live === "yes";
  let paused = status.dataset.paused === "yes";
  let answeredAt = performance.now();
  let answeredTime = updated.dataset.at;
  let underWay = false;

  const fill = (text, what) => text.replace("{}", what);
  const failed = () => document.querySelector('main[data-state="error"]') !== null;
  const ago = (ms) => {
    const seconds = Math.max(0, Math.round(ms / 1000));
    return seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
  };
  const tick = () => {
    if (live) updated.textContent = fill(paused ? updated.dataset.agoPaused : updated.dataset.ago, ago(performance.now() - answeredAt));
  };

  // A live region speaks whenever it is written to; and one within <main> would speak at every swap.
  const tell = (region, text) => { if (region.textContent !== text) region.textContent = text; };
  const say = () => tell(said, [...document.querySelectorAll("main [data-say]")].map((each) => each.textContent.trim()).join(". "));
  const found = () => {
    root.classList.remove("lost");
    root.classList.toggle("live", live && !paused);
    dot.classList.toggle("failed", failed());
    lost.hidden = true;
  };
  const lose = (why) => {
    root.classList.remove("live");
    root.classList.add("lost");
    tell(lost, `${why} ${fill(lost.dataset.then, answeredTime)}`);
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
    const scrollers = [...document.querySelectorAll("main .scroll")];
    const sideways = scrollers.map((each) => each.scrollLeft);
    const standing = scrollers.indexOf(focused);
    const key = focused && standing < 0 && (focused.tagName === "SUMMARY" ? `#${CSS.escape(focused.parentElement.id)} > summary` : keyOf(focused));
    const main = document.adoptNode(fresh);
    if (focused && focused.form) main.querySelector(`form#${CSS.escape(focused.form.id)}`)?.replaceWith(focused.form);
    if (stale) stale.replaceWith(main); else document.querySelector(".foot").before(main);
    open.forEach((id, index) => {
      const details = document.getElementById(id);
      if (!details) return;
      details.open = true;
      const scroll = details.querySelector(".scroll");
      if (scroll) scroll.scrollTop = scrolled[index];
    });
    reach();
    document.querySelectorAll("main .scroll").forEach((each, index) => {
      each.scrollLeft = sideways[index] ?? 0;
      if (index === standing) each.focus({ preventScroll: true });
    });
    if (key) main.querySelector(key)?.focus({ preventScroll: true });
  };

  const ask = async () => {
    if (underWay) return;
    underWay = true;
    const asked = location.href;
    try {
      const response = await fetch(asked, { cache: "no-store", headers: { Accept: "*/*" }, signal: AbortSignal.timeout(GIVE_UP_MS) });
      const answer = new DOMParser().parseFromString(await response.text(), "text/html");
      const main = answer.querySelector("main");
      if (main && (response.ok || response.status === 404 || failed())) {
        swap(main);
        say();
        for (const id of ["permalink", "earlier"]) {
          const link = document.getElementById(id);
          if (link) link.href = answer.getElementById(id).href;
        }
        answeredAt = performance.now();
        answeredTime = answer.getElementById("updated").dataset.at;
        dot.classList.remove("beat");
        requestAnimationFrame(() => dot.classList.add("beat"));
        found();
        tick();
      } else {
        const problem = main && main.querySelector("[data-problem]");
        lose(problem ? fill(lost.dataset.problem, `${response.status}, ${problem.textContent.trim()}`) : fill(lost.dataset.answers, response.status));
      }
    } catch {
      lose(lost.dataset.silent);
    } finally {
      underWay = false;
    }
    if (location.href !== asked) ask();
  };
  const due = () => { if (!document.hidden && ((live && !paused) || failed())) ask(); };

  // Pausing is for this tab; a link that says refresh=off has been paused for good, and leads back itself.
  const link = document.getElementById("pause");
  if (link && !paused) {
    const button = document.createElement("button");
    button.id = link.id;
    button.className = link.className;
    button.type = "button";
    const show = () => {
      button.textContent = paused ? link.dataset.resume : link.dataset.pause;
      root.classList.toggle("live", !paused);
      tick();
    };
    paused = sessionStorage.getItem("maibo-refresh") === "off";
    button.addEventListener("click", () => {
      paused = !paused;
      sessionStorage.setItem("maibo-refresh", paused ? "off" : "on");
      show();
      due();
    });
    link.replaceWith(button);
    show();
  }

  // What is typed into the filter is asked for a moment later; its form works without this.
  let typed;
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form || form.id !== "filter") return;
    clearTimeout(typed);
    typed = setTimeout(() => {
      const asked = [...new FormData(form)].filter(([, value]) => value !== "");
      history.replaceState(null, "", `?${new URLSearchParams(asked)}`);
      ask();
    }, TYPED_MS);
  });

  // Charts of one stretch of time share a crosshair. Each says in words what stands under it.
  const SVG = "http://www.w3.org/2000/svg";
  const chartOf = (event) => event.target.closest?.("svg[data-begin]");
  const shareOf = (event, chart) => {
    const box = chart.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const timeOf = (chart, share) => Number(chart.dataset.begin) + share * (chart.dataset.end - chart.dataset.begin);
  const placeOf = (chart, time) => (time - chart.dataset.begin) / (chart.dataset.end - chart.dataset.begin);
  const together = (time) => [...document.querySelectorAll("svg[data-begin]")].map((each) => [each, placeOf(each, time)]).filter(([, share]) => share >= 0 && share <= 1);
  const put = (chart, tag, kind, attributes) => {
    const there = chart.querySelector(`:scope > .${kind}`) ?? chart.appendChild(document.createElementNS(SVG, tag));
    there.setAttribute("class", kind);
    for (const [name, value] of Object.entries(attributes)) there.setAttribute(name, value);
  };
  // What stands under it: columns have the words of theirs.
  const wordsAt = (chart, share) => {
    for (const column of chart.querySelectorAll(".column")) {
      const block = column.querySelector("rect");
      const left = block ? parseFloat(block.getAttribute("x")) / 100 : 2;
      // A column is drawn a little narrower than its slice.
      if (left <= share && share < left + parseFloat(block.getAttribute("width")) / 85) return column.querySelector("title").textContent;
    }
    return "";
  };
  const clear = () => document.querySelectorAll(".crosshair, .brush, .readout").forEach((each) => each.remove());
  const point = (chart, at) => {
    for (const [each, share] of together(timeOf(chart, at))) {
      put(each, "line", "crosshair", { x1: `${share * 100}%`, x2: `${share * 100}%`, y1: 0, y2: "100%" });
      const figure = each.closest(".figure");
      if (!figure) continue;
      const readout = figure.querySelector(".readout") ?? figure.appendChild(document.createElement("p"));
      readout.className = share > 0.5 ? "readout left" : "readout";
      readout.setAttribute("aria-hidden", "true");
      readout.textContent = wordsAt(each, share);
      readout.hidden = readout.textContent === "";
    }
  };
  let began = null;
  const written = (seconds) => new Date(Math.round(seconds) * 1000).toISOString().replace(".000", "");
  document.addEventListener("pointermove", (event) => {
    const chart = began ? began.chart : chartOf(event);
    if (!chart || !chart.isConnected || event.pointerType === "touch") { began = null; clear(); return; }
    const share = shareOf(event, chart);
    point(chart, share);
    if (began && Math.abs(share - began.share) > 0.01) {
      for (const [each, first] of together(timeOf(chart, began.share))) {
        const [left, right] = [first, placeOf(each, timeOf(chart, share))].sort((a, b) => a - b);
        put(each, "rect", "brush", { x: `${left * 100}%`, width: `${(right - left) * 100}%`, y: 0, height: "100%" });
      }
    }
  });
  document.addEventListener("pointerdown", (event) => {
    const chart = chartOf(event);
    if (!chart || event.button !== 0 || event.pointerType === "touch" || event.target.closest("a")) return;
    event.preventDefault();
    began = { chart, share: shareOf(event, chart) };
  });
  document.addEventListener("pointerup", (event) => {
    if (!began) return;
    const { chart, share: first } = began;
    began = null;
    const [left, right] = [first, shareOf(event, chart)].sort((a, b) => a - b);
    clear();
    const [from, to] = [timeOf(chart, left), timeOf(chart, right)];
    if (right - left < 0.01 || to - from < 10) return;
    const query = new URLSearchParams(location.search);
    ["window", "at", "from", "to"].forEach((each) => query.delete(each));
    query.set("from", written(from));
    query.set("to", written(to));
    location.search = query;
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { began = null; clear(); } });

  // A table wider than the screen is scrolled by the keyboard too; one that fits is no stop on its way.
  const reach = () => {
    for (const each of document.querySelectorAll(".scroll")) {
      if (each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight) each.tabIndex = 0;
      else each.removeAttribute("tabindex");
    }
  };
  addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);

  document.querySelector(".skeleton")?.remove();
  reach();
  found();
  say();
  tick();
  setInterval(tick, 1000);
  setInterval(due, EVERY_MS);
  document.addEventListener("visibilitychange", due);
})();
