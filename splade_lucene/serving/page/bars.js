// Terms with bars: what each adds to one score, or to two.

import { element, number } from "./dom.js";

const FIRST = 6;

function kind(term) {
  return `${term.in_query ? "own" : "added"}${term.in_document === false ? " hollow" : ""}`;
}

function said(term) {
  const parts = [];
  if (!term.in_query) parts.push("added to the query by the model");
  if (term.in_document === false) parts.push("added to the passage, not in its text");
  return parts.join(", ");
}

function row(name, value, share, classes, note) {
  return element("li", { title: note || null },
    element("span", { class: "term" }, name),
    element("span", { class: "track", "aria-hidden": "true" }, element("i", { class: classes, style: { width: `${Math.max(1, share * 100)}%` } })),
    element("span", { class: "value" }, value),
    note ? element("span", { class: "hidden" }, ` (${note})`) : null);
}

function shortened(rows, what, label, first = FIRST) {
  const list = element("ul", { class: "bars", "aria-label": label }, rows.slice(0, first));
  if (rows.length <= first) return [list];
  const more = element("button", { type: "button", class: "quiet", "aria-expanded": "false", onclick: () => {
    const open = more.getAttribute("aria-expanded") === "true";
    list.replaceChildren(...(open ? rows.slice(0, first) : rows));
    more.setAttribute("aria-expanded", String(!open));
    more.textContent = open ? closed : `the first ${first} ${what}`;
  } });
  const closed = `${rows.length - first} more ${what}`;
  more.textContent = closed;
  return [list, more];
}

export function contributions(matches) {
  const most = Math.max(...matches.map((each) => each.product), 0) || 1;
  const rows = matches.map((each) => row(each.term, number(each.product), each.product / most, kind(each), said(each)));
  return shortened(rows, "terms", "What each term adds to the score");
}

export function bag(terms) {
  const most = Math.max(...terms.map((each) => each.weight), 0) || 1;
  const rows = terms.map((each) => row(each.term, number(each.weight), each.weight / most, kind(each), said(each)));
  return shortened(rows, "terms", "The query as a bag of words", 8);
}

/** Two documents against each other: to the right what speaks for the upper one. */
export function differences(all, own, first) {
  const gained = all.filter((each) => each.first !== each.second);
  const most = Math.max(...gained.map((each) => Math.abs(each.first - each.second)), 0) || 1;
  const rows = gained.map((each) => {
    const gain = each.first - each.second;
    const side = gain > 0 ? "for" : "against";
    const width = `${Math.max(0.5, (Math.abs(gain) / most) * 50)}%`;
    const note = `${number(each.first)} against ${number(each.second)}`;
    return element("li", { title: note },
      element("span", { class: "term" }, own.has(each.term) ? each.term : element("em", {}, each.term)),
      element("span", { class: "track two", "aria-hidden": "true" }, element("i", { class: side, style: { width } })),
      element("span", { class: "value" }, `${gain > 0 ? "+" : "−"}${number(Math.abs(gain))}`),
      element("span", { class: "hidden" }, ` (${note})`));
  });
  return shortened(rows, "terms", `What each term adds for ${first}, against the other`, 8);
}
