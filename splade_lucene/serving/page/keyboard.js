// Keys: / for the query, arrows through hits and sides, Enter for the whole text, w for why.

const hitsOf = (panel) => [...panel.querySelectorAll(".hit")];
const shownPanels = () => [...document.querySelectorAll(".panel")].filter((panel) => panel.offsetParent !== null);

function move(step) {
  const current = document.activeElement.closest?.(".hit");
  const panel = current?.closest(".panel") ?? shownPanels()[0];
  if (!panel) return;
  const hits = hitsOf(panel);
  const place = current ? hits.indexOf(current) + step : 0;
  if (place < 0) document.getElementById("query").focus();
  else hits[Math.min(place, hits.length - 1)]?.focus();
}

function cross(step) {
  const current = document.activeElement.closest?.(".hit");
  if (!current) return;
  const panels = shownPanels();
  const panel = panels[panels.indexOf(current.closest(".panel")) + step];
  if (!panel) return;
  const hits = hitsOf(panel);
  hits[Math.min(Number(current.dataset.rank), hits.length) - 1]?.focus();
}

function press(selector) {
  document.activeElement.querySelector?.(selector)?.click();
}

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const query = document.getElementById("query");
    const typing = event.target.matches("input, select, textarea");
    const onHit = event.target.matches(".hit");
    if (event.key === "/" && !typing) {
      query.focus();
      query.select();
    } else if (event.key === "ArrowDown" && (!typing || event.target === query)) move(1);
    else if (event.key === "ArrowUp" && !typing) move(-1);
    else if (event.key === "ArrowLeft" && onHit) cross(-1);
    else if (event.key === "ArrowRight" && onHit) cross(1);
    else if (event.key === "Escape" && !typing) query.focus();
    else if (event.key === "Enter" && onHit) press(".whole");
    else if (event.key === "w" && onHit) press(".ask");
    else return;
    event.preventDefault();
  });
}
