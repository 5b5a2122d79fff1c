// Where people type: files by drop, paste, camera or choice; what was sent before by arrow up.

import { button, h, icon } from "./dom.js";

const LONG_CHARACTERS = 4000;
const MAX_SENT = 50;
const MAX_SIDE = 2048;
const LARGE_BYTES = 2 << 20;
const SENT = "rkd-chat-sent";
const DRAFT = "rkd-chat-draft";

export class Composer {
  constructor(chat) {
    this.chat = chat;
    this.texts = chat.texts;
    this.files = [];
    this.at = -1;
    // On a phone Enter is a new line, as there is no Shift to hold.
    this.touched = matchMedia("(pointer: coarse)").matches;
    this.field = h("textarea", {
      class: "chat-field",
      rows: "1",
      placeholder: this.texts.say,
      "aria-label": this.texts.say,
      enterkeyhint: this.touched ? "enter" : "send",
      oninput: () => this.typed(),
      onkeydown: (event) => this.key(event),
      onpaste: (event) => this.pasted(event),
    });
    this.field.value = read(sessionStorage, DRAFT, "");
    this.picker = this.chooser({ multiple: true });
    this.camera = this.chooser({ accept: "image/*", capture: "environment" });
    this.chips = h("ul", { class: "chat-chips", "aria-label": this.texts.attached });
    this.send = button("send", this.texts.send, () => {}, { class: "chat-main-action", type: "submit" });
    this.stop = button("stop", this.texts.stop, () => chat.act("stop"), { class: "chat-stop" });
    this.element = h(
      "form",
      { class: "chat-composer", onsubmit: (event) => (event.preventDefault(), this.sent()) },
      this.chips,
      h(
        "div",
        { class: "chat-row" },
        button("attach", this.texts.attach, () => this.picker.click()),
        button("camera", this.texts.camera, () => this.camera.click(), { class: "chat-camera" }),
        this.field,
        this.stop,
        this.send,
      ),
      this.picker,
      this.camera,
    );
    this.running(false);
    requestAnimationFrame(() => this.typed());
  }

  chooser(given) {
    return h("input", {
      type: "file",
      class: "chat-away",
      tabindex: "-1",
      "aria-hidden": "true",
      ...given,
      onchange: (event) => {
        this.take([...event.target.files]);
        event.target.value = "";
      },
    });
  }

  running(is) {
    this.stop.hidden = !is;
    this.send.hidden = is;
  }

  typed() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight + 2, innerHeight / 3)}px`;
    write(sessionStorage, DRAFT, this.field.value.slice(0, 100000));
  }

  set(text) {
    this.field.value = text;
    this.typed();
    this.field.setSelectionRange(text.length, text.length);
  }

  key(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const sends = this.touched ? event.ctrlKey : !event.shiftKey;
    if (event.key === "Enter" && sends) {
      event.preventDefault();
      this.sent();
    } else if (event.key === "ArrowUp" && (this.at >= 0 || !this.field.value)) {
      event.preventDefault();
      this.recall(1);
    } else if (event.key === "ArrowDown" && this.at >= 0) {
      event.preventDefault();
      this.recall(-1);
    } else if (event.key.length === 1) {
      this.at = -1;
    }
  }

  recall(by) {
    const sent = read(localStorage, SENT, []);
    this.at = Math.max(-1, Math.min(this.at + by, sent.length - 1));
    this.set(this.at < 0 ? "" : sent[this.at]);
  }

  pasted(event) {
    const files = [...event.clipboardData.files];
    if (files.length) {
      event.preventDefault();
      this.take(files);
      return;
    }
    const text = event.clipboardData.getData("text/plain");
    if (text.length > LONG_CHARACTERS) {
      event.preventDefault();
      this.take([new File([text], this.texts.pasted, { type: "text/plain" })]);
    }
  }

  async take(files) {
    for (const file of files) await this.one(file);
    this.field.focus();
  }

  async one(file) {
    const chip = h("li", { class: "chat-chip", "aria-busy": "true" }, h("span", { text: file.name }));
    this.chips.append(chip);
    try {
      const data = await smaller(file);
      const taken = await this.chat.file(file.name, data);
      if (!taken) {
        chip.remove();
        return;
      }
      if (taken.digest) {
        await this.chat.store.putPicture(taken.digest, taken.type, await data.arrayBuffer());
      }
      this.files.push(taken.key);
      const drop = () => {
        chip.remove();
        this.files = this.files.filter((one) => one !== taken.key);
        this.chat.act("drop", { key: taken.key });
      };
      chip.replaceChildren(
        taken.digest ? this.chat.pictured(taken) : icon("attach"),
        h("span", { text: taken.name }),
        taken.note ? h("small", { text: taken.note }) : "",
        button("close", `${this.texts.leaveOut}: ${taken.name}`, drop),
      );
      chip.removeAttribute("aria-busy");
    } catch (error) {
      chip.remove();
      this.chat.notice(String(error.message ?? error));
    }
  }

  async sent() {
    const text = this.field.value;
    if ((!text.trim() && !this.files.length) || this.sending || this.chips.querySelector("[aria-busy]")) return;
    if (!this.stop.hidden) return;
    this.sending = true;
    try {
      if (!(await this.chat.act("send", { text, files: this.files }))) return;
    } finally {
      this.sending = false;
    }
    const before = read(localStorage, SENT, []).filter((one) => one !== text);
    if (text.trim() && text.length < 20000) {
      write(localStorage, SENT, [text, ...before].slice(0, MAX_SENT));
    }
    this.clear();
  }

  clear() {
    this.files = [];
    this.at = -1;
    this.chips.replaceChildren();
    this.set("");
  }
}

// A photograph of a camera is larger than any model looks at.
async function smaller(file) {
  if (!/^image\/(jpeg|png|webp)$/.test(file.type) || file.size < LARGE_BYTES) return file;
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height));
    const canvas = h("canvas", {});
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    const made = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
    return made && made.size < file.size ? made : file;
  } catch {
    return file;
  }
}

export function read(storage, key, otherwise) {
  try {
    return JSON.parse(storage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function write(storage, key, value) {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    // Full, or forbidden: it is a convenience.
  }
}
