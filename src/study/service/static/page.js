// Loads a report when its place is opened; says where a table or a text is wider than the page; opens what a link leads to.
(() => {
  "use strict";
  document.addEventListener("toggle", (event) => {
    const frame = event.target.open && event.target.querySelector("iframe[data-src]");
    if (frame) { frame.src = frame.dataset.src; delete frame.dataset.src; }
  }, true);
  const hints = () => {
    for (const box of document.querySelectorAll(".scroll, pre")) {
      const wider = box.scrollWidth > box.clientWidth + 1;
      box.classList.toggle("wider", wider);
      if (wider) box.tabIndex = 0; else box.removeAttribute("tabindex");
    }
  };
  window.addEventListener("resize", hints);
  document.addEventListener("htmx:afterSwap", hints);
  document.addEventListener("htmx:beforeRequest", (event) => { // not while somebody uses it or has marked something
    const box = event.target;
    const used = box.contains(document.activeElement) || box.querySelector(":checked");
    if (box.matches("[hx-trigger^=every]") && used) event.preventDefault();
  });
  const opened = () => { // a link to what is folded opens it
    const found = location.hash && document.getElementById(location.hash.slice(1));
    if (found && found.matches("details")) found.open = true;
  };
  window.addEventListener("hashchange", opened);
  opened();
  hints();
})();
