// Looks at the page as a person would and returns what is wrong with it, one sentence each.
const wrong = [];
const page = document.scrollingElement;
if (page.scrollWidth > window.innerWidth) wrong.push(`the page is ${page.scrollWidth} wide in a window of ${window.innerWidth}`);

for (const sheet of document.styleSheets) {
  if (sheet.href && sheet.cssRules.length === 0) wrong.push(`empty style sheet ${sheet.href}`);
}
for (const entry of performance.getEntriesByType("resource")) {
  if (entry.responseStatus >= 400) wrong.push(`${entry.responseStatus} ${entry.name}`);
  // The bytes of files come from the store, whose address is its own.
  const near = [location.origin, "data:"].some((origin) => entry.name.startsWith(origin)) || new URL(entry.name).pathname.startsWith("/storage/");
  if (!near) wrong.push(`loads from elsewhere: ${entry.name}`);
}

const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
function rgba(color) {
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = color;
  pixel.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
function over(top, below) {
  const a = top[3] + below[3] * (1 - top[3]);
  return [0, 1, 2].map((i) => (a ? (top[i] * top[3] + below[i] * below[3] * (1 - top[3])) / a : 0)).concat(a);
}
function ground(element) {
  let color = [0, 0, 0, 0];
  for (let at = element; at && color[3] < 0.999; at = at.parentElement) color = over(color, rgba(getComputedStyle(at).backgroundColor));
  return over(color, [255, 255, 255, 1]);
}
function light([r, g, b]) {
  const part = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
}
function contrast(a, b) {
  const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}
function isSeen(element) {
  if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
  const box = element.getBoundingClientRect();
  return box.width > 1 && box.height > 1 && box.right > 0 && box.left < window.innerWidth;
}
function scrolled(element) {
  for (let at = element; at && at !== document.body; at = at.parentElement) if (at.scrollTop > 0) return true;
  return false;
}
const said = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  const element = walker.currentNode.parentElement;
  if (!text || ["SCRIPT", "STYLE", "NOSCRIPT", "OPTION", "TEMPLATE"].includes(element.tagName) || !isSeen(element)) continue;
  if (element.closest(".pm-hidden, [aria-hidden=true], :disabled")) continue;
  const top = element.getBoundingClientRect().top + window.scrollY;
  if (top < 0 && !scrolled(element) && !said.has(element)) { said.add(element); wrong.push(`above the page: “${text.slice(0, 30)}”`); }
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
  const below = ground(element);
  const ratio = contrast(over(rgba(style.color), below), below);
  const name = `${element.tagName.toLowerCase()}.${element.className} “${text.slice(0, 30)}”`;
  if (ratio < (isLarge ? 3 : 4.5) && !said.has(name)) { said.add(name); wrong.push(`contrast ${ratio.toFixed(2)}: ${name}`); }
  for (let at = element; at && at !== document.body; at = at.parentElement) {
    const here = getComputedStyle(at);
    const cuts = ["hidden", "clip"].includes(here.overflowX) && at.scrollWidth > at.clientWidth + 1;
    if (cuts && at.clientWidth > 1 && !at.matches(".simplebar-wrapper, .simplebar-mask, .simplebar-offset, html")) {
      if (!said.has(at)) { said.add(at); wrong.push(`clipped: ${at.tagName.toLowerCase()}.${at.className} “${text.slice(0, 30)}”`); }
    }
    if (["auto", "scroll"].includes(here.overflowX)) break;
  }
}
for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (isSeen(field) && !field.labels?.length && !field.getAttribute("aria-label") && !field.placeholder) wrong.push(`no label: ${field.name}`);
}
return wrong;
