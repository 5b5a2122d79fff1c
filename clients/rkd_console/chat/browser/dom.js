// Elements, made of text alone; HTML comes only from the console's own reader of markdown.

export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((one) => one !== null && one !== undefined));
  return element;
}

const ICONS = {
  add: "M12 5v14M5 12h14",
  again: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  attach: "M21 11l-9 9a5 5 0 0 1-7-7l9-9a3.5 3.5 0 0 1 5 5l-9 9a2 2 0 0 1-3-3l8-8",
  camera: "M3 8h4l2-3h6l2 3h4v12H3zM12 17a4 4 0 1 0 0-8 4 4 0 0 0 0 8",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20h4L19 9l-4-4L4 16z",
  export: "M12 3v12M7 10l5 5 5-5M4 21h16",
  go: "M6 4l14 8-14 8z",
  help: "M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2M12 18v.5",
  import: "M12 15V3M7 8l5-5 5 5M4 21h16",
  list: "M4 6h16M4 12h16M4 18h16",
  next: "M9 5l7 7-7 7",
  previous: "M15 5l-7 7 7 7",
  remove: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  send: "M12 20V5M5 12l7-7 7 7",
  stop: "M7 7h10v10H7z",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("chat-icon");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function button(name, label, onclick, given = {}) {
  const classes = `chat-button ${given.class ?? ""}`.trim();
  const wide = given.words;
  return h(
    "button",
    {
      type: given.type ?? "button",
      class: wide ? `${classes} chat-wide` : classes,
      title: wide ? null : label,
      "aria-label": wide ? null : label,
      onclick,
    },
    icon(name),
    wide ? h("span", { text: label }) : null,
  );
}

// The clipboard is there over https and on this machine alone; elsewhere the old way still works.
export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused by the browser: the old way.
    }
  }
  const held = h("textarea", { class: "chat-away", readonly: true, "aria-hidden": "true" });
  held.value = text;
  const before = document.activeElement;
  (document.querySelector("dialog[open]") ?? document.body).append(held);
  held.select();
  const done = document.execCommand("copy");
  held.remove();
  before?.focus?.();
  return done;
}

export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// A question with two answers, in a dialog that keyboards and screen readers know.
export function confirmed(said, yes, no) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { class: "chat-dialog", onclose: () => (resolve(dialog.returnValue === "yes"), dialog.remove()) },
      h(
        "form",
        { method: "dialog" },
        h("p", { text: said }),
        h(
          "div",
          { class: "chat-row" },
          h("button", { class: "chat-button chat-wide", value: "no", text: no }),
          h("button", { class: "chat-button chat-wide chat-main-action", value: "yes", text: yes }),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
