// Loads a report when its place is opened; says where a table is wider than the page.
(() => {
  "use strict";
  document.addEventListener("toggle", (event) => {
    const frame = event.target.open && event.target.querySelector("iframe[data-src]");
    if (frame) { frame.src = frame.dataset.src; delete frame.dataset.src; }
  }, true);
  const hints = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      const wider = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("wider", wider);
      if (wider) box.tabIndex = 0; else box.removeAttribute("tabindex");
    }
  };
  window.addEventListener("resize", hints);
  document.addEventListener("htmx:afterSwap", hints);
  document.addEventListener("htmx:beforeRequest", (event) => { // not while somebody uses a button of it
    const box = event.target;
    if (box.matches("[hx-trigger^=every]") && box.contains(document.activeElement)) event.preventDefault();
  });
  hints();
})();
