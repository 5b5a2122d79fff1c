// The chat as the browser has it: what is kept, what is drawn, what is asked of the console.

import { Composer, read, write } from "./composer.js";
import { button, h } from "./dom.js";
import { Lane } from "./lane.js";
import { Shelf } from "./shelf.js";
import { Store } from "./store.js";

const OPEN = "rkd-chat-open";
const SHORTCUTS = [
  ["Enter", "keySend"],
  ["Shift + Enter", "keyLine"],
  ["↑", "keyBefore"],
  ["Esc", "keyStop"],
  ["Alt + N", "keyNew"],
  ["Alt + L", "keyList"],
  ["Alt + R", "keyAgain"],
  ["Alt + C", "keyCopy"],
  ["Alt + /", "keyHelp"],
];

export class Chat {
  constructor(root, texts, desk) {
    Object.assign(this, { root, texts, desk, id: "", lanes: [] });
    this.queue = Promise.resolve();
    this.built = new Promise((resolve) => (this.isBuilt = resolve));
    this.urls = new Map();
    this.keys = (event) => this.key(event);
    this.sized = () => this.size();
  }

  async begin() {
    this.store = await Store.open();
    this.store.onchange((change) => this.elsewhere(change));
    this.shelf = new Shelf(this);
    this.composer = new Composer(this);
    this.notices = h("div", { class: "chat-notices", role: "alert" });
    this.status = h("p", { class: "chat-away", role: "status", "aria-live": "polite" });
    this.place = h("div", { class: "chat-lanes" });
    this.help = this.helped();
    const main = h(
      "div",
      { class: "chat-main" },
      this.place,
      this.notices,
      this.composer.element,
      this.status,
    );
    this.root.replaceChildren(this.shelf.element, main, this.help);
    for (const name of ["dragover", "drop"]) main.addEventListener(name, (event) => this.dropped(event));
    document.addEventListener("keydown", this.keys);
    (window.visualViewport ?? window).addEventListener("resize", this.sized);
    window.addEventListener("resize", this.sized);
    // A banner above moves everything.
    this.above = new ResizeObserver(this.sized);
    this.above.observe(document.body);
    this.size();
    this.isBuilt();
    const answer = await this.act("show");
    const before = read(sessionStorage, OPEN, "") || (answer?.working ?? [])[0];
    if (before) await this.open(before);
    await this.shelf.draw();
    this.root.dataset.ready = "true";
  }

  close() {
    document.removeEventListener("keydown", this.keys);
    (window.visualViewport ?? window).removeEventListener("resize", this.sized);
    window.removeEventListener("resize", this.sized);
    this.above?.disconnect();
    this.store?.close();
    for (const url of this.urls.values()) URL.revokeObjectURL(url);
  }

  // The page is as high as what the keyboard of a phone leaves of the window.
  size() {
    const view = window.visualViewport;
    const page = this.root.parentElement;
    const top = page.getBoundingClientRect().top + window.scrollY;
    page.style.setProperty("--chat-height", `${Math.max(220, (view?.height ?? innerHeight) - top)}px`);
    if (view && view.height < innerHeight - 80) window.scrollTo(0, 0);
  }

  // What Python calls.

  show(drawn) {
    const moved = this.id !== drawn.id;
    this.id = drawn.id;
    while (this.lanes.length > drawn.lanes.length) this.lanes.pop().element.remove();
    while (this.lanes.length < drawn.lanes.length) {
      const lane = new Lane(this, this.lanes.length);
      this.lanes.push(lane);
      this.place.append(lane.element);
    }
    if (moved) this.lanes.forEach((lane) => (lane.stick = true));
    drawn.lanes.forEach((lane, at) => this.lanes[at].show(lane, drawn.lanes.length > 1));
    this.place.classList.toggle("chat-two", drawn.lanes.length > 1);
    this.runs();
  }

  grow(step) {
    this.lanes[step.lane]?.grow(step);
    this.runs();
    return true;
  }

  async keep(change) {
    let fresh;
    try {
      if (change.of) {
        await this.store.keepAlone(change);
        return true;
      }
      fresh = (await this.store.tables.get("heads", change.head.id)) === undefined;
      await this.store.keep(change);
    } catch (error) {
      this.notice(this.texts.full, "bad", String(error?.message ?? error));
      return false;
    }
    if (change.head.id === this.id) write(sessionStorage, OPEN, this.id);
    if (fresh || !change.quiet) await this.shelf.draw();
    return true;
  }

  runs() {
    const running = this.place.querySelector(".chat-running") !== null;
    if (this.wasRunning !== running) {
      this.status.textContent = running ? this.texts.answering : this.wasRunning ? this.texts.answered : "";
    }
    this.wasRunning = running;
    this.composer.running(running);
  }

  // What the console is asked, one after the other.

  act(what, given = {}) {
    const next = this.queue.then(() => this.asked(what, given));
    this.queue = next.catch(() => {});
    return next;
  }

  async asked(what, given) {
    const body = JSON.stringify({ do: what, ...given });
    let answer = await this.post("act", body);
    if (answer?.want) {
      for (const digest of answer.want) {
        const blob = await this.store.picture(digest);
        if (blob) await this.post("picture", blob, digest);
      }
      answer = await this.post("act", JSON.stringify({ do: what, ...given, brought: true }));
    }
    return answer;
  }

  file(name, data) {
    return this.post("file", data, name);
  }

  async post(what, body, name = "") {
    const query = name ? `?name=${encodeURIComponent(name)}` : "";
    let response;
    try {
      response = await fetch(`/chat/${what}/${this.desk}${query}`, { method: "POST", body });
    } catch {
      this.notice(this.texts.noConsole);
      return null;
    }
    if (response.status === 401 || response.status === 410) {
      location.reload();
      return null;
    }
    const answer = await response.json().catch(() => ({ error: { said: `HTTP ${response.status}` } }));
    if (answer.error) {
      this.notice(answer.error.said ?? String(answer.error), "bad", answer.error.remedy ?? answer.remedy);
      return null;
    }
    return answer;
  }

  async open(id) {
    const conversation = await this.store.read(id);
    if (!conversation) {
      if (read(sessionStorage, OPEN, "") === id) write(sessionStorage, OPEN, "");
      return this.act("show");
    }
    const document = { format: "rkd-chat", version: 1, conversations: [conversation] };
    const opened = await this.queue.then(() => this.post("open", JSON.stringify(document)));
    if (opened) {
      write(sessionStorage, OPEN, id);
      await this.shelf.draw();
      this.shelved(false);
    }
  }

  async fresh() {
    await this.act("new");
    write(sessionStorage, OPEN, "");
    await this.shelf.draw();
    this.shelved(false);
    this.composer.field.focus();
  }

  async elsewhere(change) {
    if (change.dropped && change.id === this.id) await this.act("new");
    else if (!change.quiet && change.id === this.id) await this.open(change.id);
    await this.shelf.draw();
  }

  // What people see and press.

  shelved(is = !this.root.classList.contains("chat-shelved")) {
    this.root.classList.toggle("chat-shelved", is);
  }

  pictured(one) {
    const image = h("img", { alt: one.name || this.texts.picture, loading: "lazy" });
    const url = this.urls.get(one.digest);
    if (url) image.src = url;
    else {
      this.store.picture(one.digest).then((blob) => {
        if (!blob) return image.replaceWith(h("span", { class: "chat-note", text: this.texts.pictureGone }));
        if (!this.urls.has(one.digest)) this.urls.set(one.digest, URL.createObjectURL(blob));
        image.src = this.urls.get(one.digest);
      });
    }
    return image;
  }

  notice(said, kind = "bad", remedy = "") {
    const one = h(
      "div",
      { class: `chat-notice chat-${kind}` },
      h("div", {}, h("p", { text: said }), remedy ? h("p", { text: remedy }) : null),
      button("close", this.texts.close, () => one.remove()),
    );
    this.notices.append(one);
    while (this.notices.children.length > 3) this.notices.firstChild.remove();
    if (kind === "good") setTimeout(() => one.remove(), 8000);
  }

  dropped(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    if (event.type === "drop") this.composer.take([...event.dataTransfer.files]);
  }

  key(event) {
    if (document.querySelector("dialog[open], .q-dialog, .q-menu")) return;
    const last = (role) => [...this.root.querySelectorAll(`.chat-${role} .chat-actions`)].at(-1);
    const acts = {
      n: () => this.fresh(),
      l: () => this.shelved(),
      r: () => last("assistant")?.children[2].click(),
      c: () => last("assistant")?.children[0].click(),
      "/": () => this.help.showModal(),
    };
    if (event.key === "Escape" && this.wasRunning) this.act("stop");
    if (!event.altKey || event.ctrlKey || event.metaKey) return;
    // By what the key says, else by its place: with Alt some keyboards say something else.
    const placed = event.code === "Slash" ? "/" : event.code.replace("Key", "").toLowerCase();
    const act = acts[event.key.toLowerCase()] ?? acts[placed];
    if (act) {
      event.preventDefault();
      act();
    }
  }

  helped() {
    const rows = SHORTCUTS.map(([keys, text]) =>
      h("tr", {}, h("th", { scope: "row" }, h("kbd", { text: keys })), h("td", { text: this.texts[text] })),
    );
    return h(
      "dialog",
      { class: "chat-dialog", "aria-label": this.texts.help },
      h("h2", { text: this.texts.help }),
      h("table", { class: "chat-keys" }, h("tbody", {}, ...rows)),
      h("form", { method: "dialog" }, h("button", { class: "chat-button chat-wide", text: this.texts.close })),
    );
  }
}
