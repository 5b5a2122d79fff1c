// The conversations this browser keeps.

import { button, confirmed, download, h } from "./dom.js";
import { bytesOf, documentOf } from "./store.js";

const AT_ONCE = 100;

export class Shelf {
  constructor(chat) {
    this.chat = chat;
    this.texts = chat.texts;
    this.most = AT_ONCE;
    this.working = new Set();
    this.list = h("ul", { class: "chat-list" });
    this.more = button("down", this.texts.more, () => ((this.most += AT_ONCE), this.draw()), { words: true });
    this.picker = h("input", {
      type: "file",
      accept: ".json,application/json",
      class: "chat-away",
      tabindex: "-1",
      "aria-hidden": "true",
      onchange: (event) => this.bring(event),
    });
    this.element = h(
      "aside",
      { class: "chat-shelf", "aria-label": this.texts.conversations },
      h(
        "div",
        { class: "chat-row" },
        button("add", this.texts.fresh, () => this.chat.fresh(), { words: true, class: "chat-fresh" }),
        button("import", this.texts.import, () => this.picker.click()),
        button("export", this.texts.export, () => this.export()),
        button("close", this.texts.hideList, () => this.chat.shelved(false), { class: "chat-hide" }),
      ),
      this.chat.store.lasting ? null : h("p", { class: "chat-note", text: this.texts.notKept }),
      this.list,
      this.more,
      this.picker,
    );
  }

  async draw() {
    const rows = await this.chat.store.list();
    this.more.hidden = rows.length <= this.most;
    this.list.replaceChildren(...rows.slice(0, this.most).map((one) => this.row(one)));
  }

  works(conversations) {
    this.working = new Set(conversations);
    this.draw();
  }

  row(one) {
    const name = one.name || this.texts.untitled;
    const open = h("button", {
      type: "button",
      class: "chat-open",
      text: name,
      "aria-current": one.id === this.chat.id ? "true" : null,
      onclick: () => this.chat.open(one.id),
    });
    const works = this.working.has(one.id)
      ? h("span", { class: "chat-works", role: "img", "aria-label": this.texts.works })
      : null;
    return h(
      "li",
      {},
      works,
      open,
      button("edit", `${this.texts.rename}: ${name}`, () => this.rename(one)),
      button("remove", `${this.texts.removeConversation}: ${name}`, () => this.remove(one)),
    );
  }

  async rename(one) {
    if (one.id !== this.chat.id) await this.chat.open(one.id);
    const field = h("input", { class: "chat-rename", "aria-label": this.texts.rename, maxlength: "80" });
    field.value = one.name;
    const row = [...this.list.children].find((each) => each.querySelector("[aria-current]"));
    const leave = () => this.draw();
    field.addEventListener("blur", leave);
    field.addEventListener("keydown", async (event) => {
      if (event.key === "Escape") this.draw();
      if (event.key !== "Enter") return;
      field.removeEventListener("blur", leave);
      await this.chat.act("rename", { title: field.value });
      this.draw();
    });
    row?.replaceChildren(field);
    field.focus();
  }

  async remove(one) {
    const { texts } = this;
    if (!(await confirmed(`${texts.removeAsk} ${one.name || texts.untitled}`, texts.yes, texts.no))) return;
    if (one.id === this.chat.id) await this.chat.fresh();
    await this.chat.act("forget", { conversation: one.id });
    await this.chat.store.drop(one.id);
    await this.draw();
  }

  async export() {
    const rows = await this.chat.store.list();
    const document = await documentOf(this.chat.store, rows.map((one) => one.id));
    const day = new Date().toISOString().slice(0, 10);
    download(`rkd-chat-${day}.json`, JSON.stringify(document, null, 1));
  }

  // The console judges the file; what it returns is kept, beside what is there already.
  async bring(event) {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    const answer = await this.chat.post("import", file);
    if (!answer) return;
    const { pictures } = JSON.parse(await file.text());
    for (const [digest, one] of Object.entries(pictures ?? {})) {
      await this.chat.store.putPicture(digest, one.mime_type, await bytesOf(one.data));
    }
    const have = new Set((await this.chat.store.list()).map((one) => one.id));
    for (const { conversation, name, spare } of answer.conversations) {
      const id = have.has(conversation.id) ? spare : conversation.id;
      await this.chat.store.whole({ ...conversation, id }, name);
    }
    await this.draw();
    this.chat.notice(this.texts.imported.replace("#", answer.conversations.length), "good");
  }
}
