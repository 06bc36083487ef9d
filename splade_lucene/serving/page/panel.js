// One side: a system's hits for the query.

import { bag, contributions } from "./bars.js";
import { element, milliseconds, number, replace } from "./dom.js";
import { marked } from "./marks.js";
import { showWhy } from "./why.js";

export function panel(system) {
  const title = element("h2", { id: `title-${system.side}` }, system.label);
  const facts = element("p", { class: "facts" }, system.facts);
  const body = element("div", { class: "body" });
  const section = element("section", { class: "panel", "aria-labelledby": title.id, data: { side: system.side } }, element("header", {}, title, facts), body);
  return { system, section, facts, body };
}

export function showProblem(side, message) {
  side.section.removeAttribute("aria-busy");
  replace(side.body, element("p", { class: "problem", role: "alert" }, message));
}

export function showHits(side, text, found) {
  const { system } = side;
  side.section.removeAttribute("aria-busy");
  const { encode_ms: encode, search_ms: search } = found.timing;
  const time = element("b", { class: "time" }, milliseconds(encode + search));
  replace(side.facts, time, encode > 0.05 ? ` (encoding ${milliseconds(encode)}, search ${milliseconds(search)}) · ` : " · ", system.facts);
  const terms = found.query.terms ?? [];
  const query = element("details", { class: "query" },
    element("summary", {}, `The query: ${terms.length} ${terms.length === 1 ? "term" : "terms"}`, element("span", { class: "preview" }, terms.slice(0, 8).map((each) => each.term).join(" "))),
    bag(terms));
  const list = element("ol", { class: "hits", "aria-label": `Hits of ${system.label}` });
  found.candidates.forEach((hit, place) => list.append(card(system, text, hit, found.candidates[place + 1])));
  const nothing = found.candidates.length ? null : element("p", { class: "note" }, "No document has any of these terms.");
  replace(side.body, query, nothing, list);
}

function card(system, text, hit, next) {
  const terms = new Map((hit.matches ?? []).map((each) => [each.term, each]));
  const passage = element("p", { class: "passage", id: `text-${system.side}-${hit.rank}` },
    hit.doc === null ? element("span", { class: "note" }, "no stored text; build the index with --store-contents") : marked(String(hit.doc), hit.highlights ?? [], terms));
  const whole = element("button", { type: "button", class: "quiet whole", "aria-expanded": "false", "aria-controls": passage.id, onclick: () => {
    const open = passage.classList.toggle("open");
    whole.setAttribute("aria-expanded", String(open));
    whole.textContent = open ? "less text" : "whole text";
  } }, "whole text");
  const why = element("div", { class: "why", hidden: true });
  const ask = next && !system.fused ? element("button", { type: "button", class: "quiet ask", "aria-expanded": "false", onclick: () => {
    const open = why.hidden;
    ask.setAttribute("aria-expanded", String(open));
    if (open) showWhy(why, system, text, hit, next);
    else why.hidden = true;
  } }, `why above ${next.rank}?`) : null;
  const parts = hit.parts ? element("p", { class: "note" }, hit.parts.map((part) =>
    `${part.index}: ${part.rank ? `rank ${part.rank}, ${number(part.score)}` : "not among its hits"}`).join(" · ")) : null;
  return element("li", { class: "hit", tabindex: "-1", data: { docid: hit.docid, rank: hit.rank }, "aria-labelledby": `hit-${system.side}-${hit.rank}` },
    element("h3", { id: `hit-${system.side}-${hit.rank}` },
      element("span", { class: "rank" }, String(hit.rank)),
      element("span", { class: "docid" }, hit.docid),
      element("span", { class: "elsewhere" }),
      element("span", { class: "score", title: "score" }, element("span", { class: "hidden" }, "score "), number(hit.score))),
    passage,
    parts,
    element("div", { class: "terms" }, hit.matches?.length ? contributions(hit.matches) : null),
    element("div", { class: "actions" }, hit.doc === null ? null : whole, ask),
    why);
}

/** Says on each hit where the other side has it. */
export function crossReference(sides) {
  for (const side of sides) {
    const other = sides.find((each) => each !== side);
    for (const hit of side.body.querySelectorAll(".hit")) {
      const place = hit.querySelector(".elsewhere");
      const same = other && [...other.body.querySelectorAll(".hit")].find((each) => each.dataset.docid === hit.dataset.docid);
      place.textContent = !other || !other.body.querySelector(".hits") ? "" : same ? `rank ${same.dataset.rank} in ${other.system.short}` : `not in the top ${other.body.querySelectorAll(".hit").length} of ${other.system.short}`;
      place.classList.toggle("absent", Boolean(other) && !same);
    }
  }
}
