"use strict";
// Shows a query when its bar is pointed at. Everything that comes from data becomes text nodes, never markup.
(() => {
  document.documentElement.classList.add("script");

  const element = (tag, className, ...children) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  };
  const number = (value, digits, sign) =>
    (sign && value > 0 ? "+" : "") + value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
  // As many decimals as the largest of the scores that stand together needs.
  const digits = (values) => (values.every(Number.isInteger) ? 0 : Math.max(...values.map(Math.abs)) < 1 ? 4 : 2);
  const name = ([docid, title]) => (title ? `“${title}”` : docid);

  function hits(data, query, system) {
    const list = element("ol", "hits");
    const found = query.top[system] || [];
    const places = digits(found.map(([, value]) => value));
    found.forEach(([place, value], index) => {
      const [docid, title, text] = data.passages[place];
      const grade = query.grades[place];
      list.append(
        element("li", "",
          element("span", "rank", String(index + 1)),
          element("div", "",
            element("span", "id", docid), " ",
            grade ? element("span", "grade", grade === 1 ? "relevant" : `relevant (${grade})`) : "",
            element("div", "passage", title ? element("span", "title", title + " ") : "", text)),
          element("span", "score", number(value, places))));
    });
    return element("div", "", element("h5", "", data.systems[system]), found.length ? list : element("p", "empty", "no hits"));
  }

  function terms(data, [system, total, differences, others, rest], high, low) {
    const largest = Math.max(...differences.map(([, value]) => Math.abs(value)), 1e-9);
    const places = digits([total, rest, ...differences.map(([, value]) => value)]);
    const grid = element("div", "terms");
    const line = (label, value, className) => {
      const bar = element("i", value >= 0 ? "for" : "against");
      bar.style.width = `${Math.min(50, (50 * Math.abs(value)) / largest)}%`;
      grid.append(element("span", className, label), element("span", "bar", bar), element("span", "value", number(value, places, true)));
    };
    differences.forEach(([term, value]) => line(term, value, ""));
    if (others) line(`${others} other${others === 1 ? "" : "s"}`, rest, "id");
    const better = total > 0 ? high : low;
    const verdict = total === 0 ? "the same score" : `${number(Math.abs(total), places)} more for ${data.passages[better][0]}`;
    return element("div", "", element("h5", "", `${data.systems[system]}: ${verdict}`), differences.length ? grid : element("p", "empty", "no term matches either"));
  }

  function why(data, reason) {
    const high = data.passages[reason.high], low = data.passages[reason.low];
    const views = element("div", "pair", ...reason.views.map((view) => terms(data, view, reason.high, reason.low)));
    return element("div", "why",
      element("h5", "", "The terms that made the difference"),
      element("p", "", `${data.systems[reason.winner]} ranks ${high[0]} above ${low[0]}, ${data.systems[reason.loser]} the other way round. `,
        "What each term adds to the score of ", name(high), " minus what it adds to that of ", name(low), ":"),
      views);
  }

  function show(box, data, system, order, index) {
    const position = order[index];
    const qid = data.ids[position];
    const ours = data.scores[system][position], theirs = data.scores[data.baseline][position];
    const query = Object.hasOwn(data.queries, qid) ? data.queries[qid] : null;
    const facts = element("p", "facts", `${qid} · ${index + 1} of ${order.length} · ${data.measure} `,
      element("b", "", number(ours, 4)), ` from ${data.systems[system]}, `, element("b", "", number(theirs, 4)), ` from ${data.systems[data.baseline]}: `,
      element("b", ours > theirs ? "better" : ours < theirs ? "worse" : "", number(ours - theirs, 4, true)));
    const parts = [element("h4", "", (query && query.text) || `query ${qid}`), facts];
    if (query) {
      parts.push(element("p", "facts", `relevant passages: ${query.relevant}`));
      parts.push(element("div", "pair", hits(data, query, data.baseline), hits(data, query, system)));
      const reason = query.why[system];
      parts.push(reason ? why(data, reason) : element("p", "key", "Nothing in these top hits sets the two apart: the difference, if any, lies further down."));
    } else {
      parts.push(element("p", "key", "Text, hits and terms of this query are not on the page."));
    }
    box.replaceChildren(...parts);
  }

  function wire(section, bars, data) {
    const system = bars.dataset.system;
    const chart = bars.querySelector(".chart"), track = bars.querySelector(".track"), cursor = bars.querySelector(".cursor");
    const picker = bars.querySelector(".picker"), slider = bars.querySelector("input"), box = bars.querySelector(".query");
    const [previous, next] = bars.querySelectorAll("button");
    let order = null, held = false, shown = -1;
    const pick = (wanted) => {
      const all = data();
      if (!order) {
        const gap = (place) => all.scores[system][place] - all.scores[all.baseline][place];
        order = all.ids.map((_, place) => place).sort((a, b) => gap(b) - gap(a)); // stable, as the plot's order is
      }
      const index = Math.max(0, Math.min(order.length - 1, wanted));
      if (index === shown) return;
      shown = index;
      cursor.style.left = `${(100 * index) / order.length}%`;
      cursor.style.setProperty("--bar", `${track.clientWidth / order.length}px`);
      slider.value = String(index);
      show(box, all, system, order, index);
    };
    const at = (event) => {
      const box = track.getBoundingClientRect();
      return Math.floor(((event.clientX - box.left) / box.width) * data().ids.length);
    };
    const hold = (value) => {
      held = value;
      chart.classList.toggle("held", held);
    };
    track.hidden = picker.hidden = false;
    track.addEventListener("pointermove", (event) => { if (!held && event.pointerType === "mouse") pick(at(event)); });
    track.addEventListener("click", (event) => {
      const index = at(event);
      hold(!(held && Math.abs(index - shown) <= data().ids.length / 100));
      pick(index);
    });
    const step = (by) => { hold(true); pick(shown + by); };
    slider.addEventListener("input", () => { hold(true); pick(Number(slider.value)); });
    previous.addEventListener("click", () => step(-1));
    next.addEventListener("click", () => step(1));
    const first = () => { if (bars.open && shown < 0) pick(0); };
    bars.addEventListener("toggle", first);
    section.closest("details.dataset").addEventListener("toggle", first);
    if (section.closest("details.dataset").open) first();
  }

  document.querySelectorAll(".differences").forEach((section) => {
    let parsed = null;
    const data = () => (parsed ??= JSON.parse(section.querySelector(".payload").textContent));
    section.querySelectorAll(".bars").forEach((bars) => wire(section, bars, data));
  });
  const follow = () => { if (/^#dataset-\d+$/.test(location.hash)) document.querySelector(location.hash)?.setAttribute("open", ""); };
  window.addEventListener("hashchange", follow);
  follow();
})();
