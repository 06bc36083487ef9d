// The page: which systems there are, a search on both sides, and what the address says.

import * as address from "./address.js";
import { element, milliseconds, replace } from "./dom.js";
import { listen } from "./keyboard.js";
import { crossReference, panel, showHits, showProblem } from "./panel.js";
import { KeyNeeded, listIndexes, search, statistics, useKey } from "./server.js";

const $ = (id) => document.getElementById(id);
let systems = new Map();
let running = new AbortController();

/** What can be searched: each index, and the fusion of each with its BM25 index. */
function systemsOf(indexes) {
  const found = new Map();
  for (const each of indexes) {
    const name = each.kind === "impact" ? "SPLADE" : "BM25";
    const model = each.encoder ? `model ${each.encoder.model.split("/").pop()}, ` : "";
    const facts = `${model}${each.documents.toLocaleString("en")} documents`;
    found.set(each.name, { id: each.name, index: each.name, fused: false, label: `${name} · ${each.name}`, short: each.name, facts, kind: each.kind });
  }
  for (const each of indexes.filter((index) => index.baseline)) {
    const id = `${each.name}+${each.baseline}`;
    found.set(id, { id, index: each.name, fused: true, label: `Fusion · ${each.name} + ${each.baseline}`, short: "fusion", facts: "scores min-max-normalised, half and half", kind: "fusion" });
  }
  return found;
}

function fill(select, chosen) {
  replace(select, [...systems.values()].map((each) => element("option", { value: each.id, selected: each.id === chosen }, each.label)));
}

function defaults() {
  const all = [...systems.values()];
  const splade = all.find((each) => each.kind === "impact");
  const bm25 = all.find((each) => each.kind === "bm25");
  const left = (bm25 && splade ? bm25 : all[0]).id;
  const right = systems.size > 1 ? (bm25 && splade ? splade : all[1]).id : null;
  return { left, right };
}

async function run({ q, left, right, k }) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  delete $("results").dataset.query; // set again when its hits are shown
  document.title = q ? `${q} · splade_lucene` : "Search · splade_lucene";
  const chosen = [["left", left], ["right", right]].filter(([, id]) => systems.has(id));
  const sides = chosen.map(([side, id]) => panel({ ...systems.get(id), side }));
  replace($("results"), sides.map((side) => side.section));
  $("results").classList.toggle("single", sides.length < 2);
  switcher(sides);
  if (!q) return;
  sides.forEach((side) => side.section.setAttribute("aria-busy", "true"));
  const said = await Promise.all(sides.map(async (side) => {
    try {
      const found = await search(side.system, q, k, signal);
      showHits(side, q, found);
      return `${side.system.label}: ${found.candidates.length} hits in ${milliseconds(found.timing.encode_ms + found.timing.search_ms)}.`;
    } catch (error) {
      if (error.name === "AbortError") return "";
      if (error instanceof KeyNeeded) askForKey(error.message);
      else showProblem(side, error.message);
      return error.message;
    }
  }));
  if (signal.aborted) return;
  crossReference(sides);
  $("legend").hidden = !sides.some((side) => side.system.kind !== "bm25" && side.body.querySelector(".hit"));
  $("status").textContent = said.join(" ");
  $("results").dataset.query = q;
}

/** On a narrow screen one side is shown at a time. */
function switcher(sides) {
  const place = $("sides");
  place.hidden = sides.length < 2;
  const buttons = sides.map((side) => element("button", { type: "button", "aria-pressed": "false", onclick: () => show(side.system.side) }, side.system.label));
  const show = (name) => {
    $("results").dataset.shown = name;
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(sides[at].system.side === name)));
  };
  replace(place, buttons);
  show(sides.at(-1)?.system.side ?? "left");
}

function current() {
  return { q: $("query").value.trim(), left: $("left").value, right: systems.size > 1 ? $("right").value : null, k: Number($("k").value) };
}

function askForKey(message) {
  $("key").hidden = false;
  $("status").textContent = message || "This server asks for an API key.";
  if (message) $("key").querySelector("label").textContent = `${message} This server asks for an API key.`;
  $("api-key").focus();
}

async function suggested(name) {
  try {
    return (await statistics(name)).example ?? "";
  } catch {
    return ""; // only a suggestion
  }
}

async function start() {
  try {
    systems = systemsOf(await listIndexes());
  } catch (error) {
    if (error instanceof KeyNeeded) askForKey(error.message);
    else replace($("results"), element("p", { class: "problem", role: "alert" }, error.message));
    return;
  }
  $("key").hidden = true;
  const wanted = address.read();
  const standard = defaults();
  const left = systems.has(wanted.left) ? wanted.left : standard.left;
  const right = systems.has(wanted.right) ? wanted.right : standard.right;
  fill($("left"), left);
  fill($("right"), right);
  $("right-label").hidden = systems.size < 2;
  const first = [...systems.values()].find((each) => each.kind === "impact") ?? systems.get(left);
  const q = wanted.q || (await suggested(first.index));
  $("query").value = q;
  if ([...$("k").options].some((option) => option.value === String(wanted.k))) $("k").value = String(wanted.k);
  const state = current();
  if (q) address.write(state, true);
  await run(state);
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const state = current();
  if (!state.q) return $("query").focus();
  address.write(state);
  run(state);
});
for (const id of ["left", "right", "k"]) $(id).addEventListener("change", () => $("search").requestSubmit());
$("key").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey($("api-key").value);
  start();
});
addEventListener("popstate", () => start());
listen();
start();
