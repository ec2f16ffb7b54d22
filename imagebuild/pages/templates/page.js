"use strict";
// A search field filters what its data-for names: console lines or table rows. Text is only ever set as text.
for (const field of document.querySelectorAll("input[type=search]")) {
  const target = document.getElementById(field.dataset.for);
  const count = document.getElementById(field.dataset.for + "-count");
  const items = [...target.querySelectorAll("[data-item]")].map((node) => ({ node, text: node.textContent }));
  const isConsole = target.tagName === "PRE";
  const show = () => {
    const wanted = field.value.toLowerCase();
    let hits = 0;
    for (const { node, text } of items) {
      const at = wanted ? text.toLowerCase().indexOf(wanted) : 0;
      node.hidden = at < 0;
      if (at >= 0) hits += 1;
      if (isConsole) {
        node.textContent = text;
        if (wanted && at >= 0) {
          const found = document.createElement("mark");
          found.textContent = text.slice(at, at + wanted.length);
          node.replaceChildren(text.slice(0, at), found, text.slice(at + wanted.length));
        }
      }
    }
    count.textContent = wanted ? hits + " of " + items.length : "";
  };
  field.addEventListener("input", show);
}
for (const link of document.querySelectorAll("a[data-open]")) {
  link.addEventListener("click", () => { document.getElementById(link.dataset.open).open = true; });
}
// Links into a closed part open it.
const reveal = () => {
  const node = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  const part = node && node.closest("details");
  if (part) { part.open = true; node.scrollIntoView({ block: "center" }); }
};
addEventListener("hashchange", reveal);
reveal();
