// Marks the section in view in the contents, and shows where something is wider than its place.
(() => {
  "use strict";
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const sections = [...document.querySelectorAll("main > section")];
  const strip = document.querySelector("nav");
  let current;
  const mark = () => {
    const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
    const section = atEnd && scrollY > 0 ? sections.at(-1) : passed.at(-1) || sections[0];
    const link = section && links.get(section.id);
    if (!link || link === current) return;
    current?.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    current = link;
    const [place, box] = [link.getBoundingClientRect(), strip.getBoundingClientRect()];
    if (place.left < box.left || place.right > box.right) strip.scrollLeft += place.left - box.left - 24;
    if (place.top < box.top || place.bottom > box.bottom) strip.scrollTop += place.top - box.top - 24;
  };
  const wide = [...document.querySelectorAll(".scroll, pre, nav, code.command")];
  const hint = (each) => {
    const rest = each.scrollWidth - each.clientWidth;
    each.classList.toggle("wider", rest > 1);
    each.classList.toggle("more", rest > 1 && each.scrollLeft < rest - 1);
  };
  const hints = () => wide.forEach(hint);
  for (const each of wide) each.addEventListener("scroll", () => hint(each), { passive: true });
  addEventListener("scroll", mark, { passive: true });
  new ResizeObserver(() => { hints(); mark(); }).observe(document.body);
  document.addEventListener("drawn", hints);
  hints();
  mark();
})();
