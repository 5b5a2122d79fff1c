"use strict";
// Words of the pages that need no server.
function rkdChoose(cookie, value) {
  document.cookie = `${cookie}=${value}; path=/; max-age=31536000; samesite=strict`;
  location.reload();
}
async function rkdSignOut() {
  await fetch("/signout", { method: "POST" });
  location.href = "/signin";
}
function rkdMenu(button) {
  const open = document.body.classList.toggle("rkd-menu-open");
  button.setAttribute("aria-expanded", String(open));
  if (open) document.querySelector(".rkd-nav a").focus();
}
document.addEventListener("keydown", (event) => {
  const button = document.querySelector(".rkd-menu[aria-expanded=true]");
  if (event.key === "Escape" && button) {
    rkdMenu(button);
    button.focus();
  }
});
// The clipboard is there over https and on this machine alone; elsewhere the old way still works.
function rkdCopyBefore(button) {
  const code = button.parentElement.querySelector("code");
  const range = document.createRange();
  range.selectNodeContents(code);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  if (navigator.clipboard && isSecureContext) navigator.clipboard.writeText(code.textContent);
  else document.execCommand("copy");
}
// A console that was started anew knows nobody: the form asks who it is, and leads back here.
setInterval(async () => {
  if (window.socket?.connected !== false) return;
  const answer = await fetch("/session", { cache: "no-store" }).catch(() => null);
  if (answer?.status === 401) location.reload();
}, 3000);
