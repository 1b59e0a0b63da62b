"use strict";
// Reads the page again while the build runs, unless somebody is marking text in it.
for (const page of document.querySelectorAll("[data-renew]")) {
  setInterval(() => {
    if (getSelection().isCollapsed) location.reload();
  }, 1000 * page.dataset.renew);
}
