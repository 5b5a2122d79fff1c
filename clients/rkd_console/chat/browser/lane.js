// One lane: what one model sees, turn by turn, in a place of its own that scrolls.

import { Body } from "./answer.js";
import { button, confirmed, copy, h, icon } from "./dom.js";

const NEAR = 48;

export class Lane {
  constructor(chat, at) {
    this.chat = chat;
    this.texts = chat.texts;
    this.at = at;
    this.turns = new Map();
    this.stick = true;
    this.model = h("h2", { class: "chat-model" });
    this.before = button("previous", this.texts.earlier, () => chat.act("earlier"), { words: true });
    this.log = h("div", { class: "chat-turns" });
    this.empty = h("p", { class: "chat-empty", text: this.texts.empty });
    this.scroller = h(
      "div",
      { class: "chat-scroll", tabindex: "0", role: "log", "aria-live": "off", "aria-label": this.texts.log },
      this.before,
      this.empty,
      this.log,
    );
    this.down = button("down", this.texts.down, () => this.bottom(), { class: "chat-down" });
    this.element = h("section", { class: "chat-lane" }, this.model, this.scroller, this.down);
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.follow()).observe(this.scroller);
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.stick = scrollHeight - scrollTop - clientHeight < NEAR;
    this.element.classList.toggle("chat-away-from-end", !this.stick);
  }

  bottom() {
    this.stick = true;
    this.follow();
  }

  follow() {
    if (this.stick) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.element.classList.toggle("chat-away-from-end", !this.stick);
  }

  show(drawn, several) {
    this.model.textContent = drawn.model || this.texts.noModel;
    this.model.hidden = !several;
    this.before.hidden = !drawn.before;
    this.empty.hidden = drawn.turns.length > 0;
    const seen = new Set();
    let place = null;
    for (const [at, turn] of drawn.turns.entries()) {
      seen.add(turn.id);
      const node = this.placed(turn, at === drawn.turns.length - 1);
      if (place ? place.nextSibling !== node : this.log.firstChild !== node) {
        place ? place.after(node) : this.log.prepend(node);
      }
      place = node;
    }
    for (const [id, held] of this.turns) {
      if (!seen.has(id)) {
        held.element.remove();
        this.turns.delete(id);
      }
    }
    this.follow();
  }

  placed(turn, last) {
    const said = JSON.stringify([turn, last]);
    const held = this.turns.get(turn.id);
    if (held && held.said === said) return held.element;
    const made = new TurnView(this, turn, last, said);
    if (held) held.element.replaceWith(made.element);
    this.turns.set(turn.id, made);
    return made.element;
  }

  grow(step) {
    this.turns.get(step.id)?.grow(step);
    this.follow();
  }
}

class TurnView {
  constructor(lane, turn, last, said) {
    Object.assign(this, { lane, turn, last, said, texts: lane.texts, chat: lane.chat });
    const mine = turn.role === "assistant";
    this.body = mine ? new Body(this.texts) : null;
    this.thought = h("div", { class: "chat-thought" });
    this.thinking = h(
      "details",
      { class: "chat-reasoning", hidden: true },
      h("summary", { text: this.texts.reasoning }),
      this.thought,
    );
    this.stage = h("p", { class: "chat-stage", hidden: true });
    this.foot = h("div", { class: "chat-foot" });
    this.content = mine ? this.body.element : this.typed();
    const name = { user: this.texts.you, tool: turn.name, assistant: turn.model }[turn.role];
    this.element = h(
      "article",
      { class: `chat-turn chat-${turn.role}`, "data-turn": turn.id, "aria-label": name },
      h("header", {}, h("span", { class: "chat-name", text: name }), this.branches()),
      this.thinking,
      this.content,
      this.stage,
      this.foot,
    );
    if (mine) {
      this.body.whole(turn.blocks);
      if (turn.state !== "running") this.think(turn.reasoning, 0);
      this.end(turn);
    } else {
      this.foot.append(this.actions(turn));
    }
    if (turn.state === "running") this.body.clear();
  }

  act(what, given = {}) {
    return this.chat.act(what, { lane: this.lane.at, turn: this.turn.id, ...given });
  }

  typed() {
    const files = this.turn.files.map((one) =>
      h(
        "details",
        { class: "chat-file" },
        h("summary", {}, icon("attach"), h("span", { text: one.name }), h("small", { text: one.note })),
        h("pre", { tabindex: "0", text: one.text }),
      ),
    );
    const pictures = this.turn.pictures.map((one) => this.chat.pictured(one));
    return h(
      "div",
      {},
      ...files,
      pictures.length ? h("div", { class: "chat-pictures" }, ...pictures) : null,
      this.turn.text ? h("div", { class: "chat-typed", text: this.turn.text }) : null,
    );
  }

  branches() {
    const { at, of } = this.turn;
    if (of < 2) return null;
    const step = (by) => () => this.act("choose", { step: by });
    const back = button("previous", this.texts.previous, step(-1));
    const on = button("next", this.texts.next, step(1));
    back.disabled = at === 1;
    on.disabled = at === of;
    return h("span", { class: "chat-branches" }, back, h("span", { text: `${at}/${of}` }), on);
  }

  think(text, from) {
    if (from === 0) this.thought.textContent = text;
    else this.thought.append(text);
    this.thinking.hidden = !this.thought.firstChild;
  }

  grow(step) {
    this.body.grow(step);
    if (step.reasoning || step.reasoning_from === 0) this.think(step.reasoning, step.reasoning_from);
    this.stage.textContent = step.stage;
    this.stage.hidden = !step.stage;
    this.said = "";
    if (step.more) return;
    if (step.state !== "running" || step.calls.length !== (this.drawnCalls ?? 0)) this.end(step);
  }

  end(turn) {
    this.drawnCalls = turn.calls.length;
    this.element.classList.toggle("chat-running", turn.state === "running");
    this.element.setAttribute("aria-busy", String(turn.state === "running"));
    if (turn.state !== "running") this.stage.hidden = true;
    const failure = turn.failure
      ? h(
          "div",
          { class: "chat-failure", role: "alert" },
          h("p", { text: turn.failure.said }),
          turn.failure.remedy ? h("p", { text: turn.failure.remedy }) : null,
        )
      : null;
    const stopped =
      turn.state === "stopped" ? h("p", { class: "chat-note", text: this.texts.stopped }) : null;
    this.foot.replaceChildren(
      ...[this.calls(turn), failure, stopped, this.figures(turn), this.actions(turn)].filter(Boolean),
    );
  }

  calls(turn) {
    if (!turn.calls.length) return null;
    const asks = this.last && turn.state !== "running";
    const fields = [];
    const drawn = turn.calls.map((call, at) => {
      const field = asks
        ? h("textarea", { rows: "2", "aria-label": `${this.texts.result} ${at + 1}: ${call.name}`, placeholder: this.texts.result })
        : null;
      if (field) fields.push(field);
      return h(
        "div",
        { class: "chat-call" },
        h("p", {}, h("strong", { text: this.texts.call }), " ", h("code", { text: call.name })),
        h("pre", { tabindex: "0", text: call.arguments }),
        field,
      );
    });
    const send = asks
      ? button("send", this.texts.sendResults, () => this.act("results", { results: fields.map((one) => one.value) }), { words: true })
      : null;
    return h("div", { class: "chat-calls" }, ...drawn, send);
  }

  figures(turn) {
    if (!turn.figures.length) return null;
    return h(
      "details",
      { class: "chat-figures" },
      h("summary", { text: turn.figures.join(" · ") }),
      h("ul", {}, ...turn.why.map((one) => h("li", { text: one }))),
    );
  }

  actions(turn) {
    if (turn.state === "running") return null;
    const { role } = this.turn;
    const mine = role === "assistant";
    const texts = this.texts;
    const goesOn = mine && turn.state !== "done" && this.last && !turn.calls.length;
    return h(
      "div",
      { class: "chat-actions" },
      button("copy", texts.copy, (event) => this.copy(event.currentTarget)),
      role === "tool" ? null : button("edit", texts.edit, () => this.edit()),
      mine || this.last ? button("again", texts.again, () => this.act("again")) : null,
      button("remove", texts.remove, () => this.remove()),
      goesOn ? button("go", texts.goOn, () => this.act("go_on"), { words: true }) : null,
    );
  }

  async full() {
    const turn = await this.chat.store.turn(this.chat.id, this.turn.id);
    return turn?.text ?? this.content.textContent;
  }

  async copy(pressed) {
    const done = await copy(await this.full());
    pressed.dataset.said = done ? this.texts.copied : this.texts.notCopied;
    setTimeout(() => delete pressed.dataset.said, 2000);
  }

  async remove() {
    const { texts } = this;
    if (await confirmed(texts.removeTurn, texts.yes, texts.no)) await this.act("remove");
  }

  async edit() {
    const field = h("textarea", { class: "chat-edit", "aria-label": this.texts.edit });
    field.value = await this.full();
    field.rows = Math.min(20, field.value.split("\n").length + 2);
    const done = () => {
      editor.replaceWith(this.content);
      this.foot.hidden = false;
    };
    const send = async () => {
      if (await this.act("edit", { text: field.value })) done();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") done();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
      event.stopPropagation();
    });
    const editor = h(
      "div",
      { class: "chat-editor" },
      field,
      h(
        "div",
        { class: "chat-row" },
        button("close", this.texts.no, done, { words: true }),
        button("send", this.texts.sendEdit, send, { words: true, class: "chat-main-action" }),
      ),
    );
    this.content.replaceWith(editor);
    this.foot.hidden = true;
    field.focus();
  }
}
