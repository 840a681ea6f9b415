// A figure of several panels is no wider than a phone otherwise, and its letters cannot be read: it
// scrolls by itself instead.
const LEAST_SCALE = 0.55;

window.addEventListener("load", () => {
  for (const image of document.querySelectorAll("img.sphx-glr-single-img")) {
    const box = document.createElement("div");
    box.className = "wide-figure";
    image.replaceWith(box);
    box.append(image);
    image.style.maxWidth = "none";
    image.style.width = `max(${Math.round(LEAST_SCALE * image.naturalWidth)}px, 100%)`;
  }
});
