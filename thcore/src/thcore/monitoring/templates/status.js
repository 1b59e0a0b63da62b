// Puts the latest page in place of this one, without a flicker and without losing what is selected.
const REFRESH_MS = 2000;
async function refresh() {
  const lost = document.getElementById("lost");
  try {
    const response = await fetch("./", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(await response.text());
    const latest = new DOMParser().parseFromString(await response.text(), "text/html");
    lost.hidden = true;
    if (!document.hidden && getSelection().isCollapsed) {
      document.title = latest.title;
      document.getElementById("icon").href = latest.getElementById("icon").href;
      document.querySelector("main").replaceChildren(...latest.querySelector("main").childNodes);
    }
  } catch {
    lost.hidden = false;
  }
  setTimeout(refresh, REFRESH_MS);
}
setTimeout(refresh, REFRESH_MS);
