"use strict";
const to = () => {
  const next = new URLSearchParams(location.search).get("next") || "/";
  return /^\/(?![/\\])/.test(next) ? next : "/";
};
async function signIn(token) {
  const error = document.getElementById("error");
  error.textContent = "";
  try {
    const answer = await fetch("/signin", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    const told = await answer.json();
    if (answer.ok) location.replace(to());
    else error.textContent = [told.error, told.remedy].filter(Boolean).join(". ");
  } catch (failed) {
    error.textContent = String(failed);
  }
}
document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(document.getElementById("token").value);
});
document.getElementById("without").addEventListener("click", () => signIn(""));
fetch("/signin/state")
  .then((answer) => answer.json())
  .then((told) => {
    // A link on another page brings no cookie along: seen from here we may be signed in.
    if (told.signed_in) location.replace(to());
    document.getElementById("open").hidden = !told.open;
    if (told.error) document.getElementById("error").textContent = told.error;
  });
