"use strict";
// Words of the pages of models that run in the browser.
function rkdStockEditor(id, name) {
  // CodeMirror takes a name for its text through its own settings alone, which are out of reach.
  const find = (left) => {
    const text = document.getElementById(`c${id}`)?.querySelector(".cm-content");
    if (text) text.setAttribute("aria-label", name);
    else if (left > 0) setTimeout(find, 50, left - 1);
  };
  find(100);
}
function rkdStockFilters() {
  // On a phone what was found comes first.
  if (innerWidth < 700) document.querySelector(".stock-more").open = false;
}
function rkdStockAsk() {
  // Only over https or on the board itself do browsers know notifications; elsewhere the page tells.
  if ("Notification" in window && isSecureContext && Notification.permission === "default")
    Notification.requestPermission();
}
function rkdStockBell(title, body, tag) {
  if (!document.hidden || !("Notification" in window) || !isSecureContext) return;
  if (Notification.permission === "granted") new Notification(title, { body, tag, icon: "/console/icon.svg" });
}
