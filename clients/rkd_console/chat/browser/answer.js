// The body of an answer: blocks that are finished stay as they are, only the tail is drawn again.

import { button, copy, h } from "./dom.js";

export class Body {
  constructor(texts) {
    this.texts = texts;
    this.element = h("div", { class: "chat-text" });
    this.count = 0;
    this.tail = null;
    this.code = null;
  }

  clear() {
    this.element.replaceChildren();
    this.count = 0;
    this.tail = this.code = null;
  }

  whole(blocks) {
    for (const one of blocks) this.add(one);
  }

  grow(step) {
    if (step.from === 0 && this.count > 0) this.clear();
    const goesOn = !step.blocks.length && step.tail?.from > 0 && this.tail?.nodeType === 3;
    if (goesOn) {
      this.tail.appendData(step.tail.code);
      return;
    }
    this.untail();
    this.whole(step.blocks);
    if (step.tail) this.tail = this.drawn(step.tail);
  }

  untail() {
    if (this.tail === null) return;
    if (this.tail.nodeType === 3 && this.tail.chatFigure) this.tail.chatFigure.remove();
    else this.tail.remove();
    this.tail = null;
  }

  add(block) {
    const node = this.drawn(block);
    this.code = block.code === undefined ? null : (node.chatCode ?? this.code);
    this.count += 1;
    this.element.classList.toggle("chat-long", this.count > 60);
  }

  // Return the node that is to be removed when it was the tail.
  drawn(block) {
    if (block.code === undefined) {
      const node = h("div", { class: "chat-block" });
      node.innerHTML = block.html;
      for (const one of node.querySelectorAll("pre")) this.copyable(one);
      for (const one of node.querySelectorAll("table")) wrapped(one);
      this.element.append(node);
      return node;
    }
    const text = document.createTextNode(block.code);
    if (block.on && this.code) {
      this.code.append(text);
      text.chatCode = this.code;
      return text;
    }
    const code = h("code", {}, text);
    const pre = h("pre", { tabindex: "0" }, code);
    const figure = this.framed(pre, block.language);
    this.element.append(figure);
    text.chatFigure = figure;
    text.chatCode = code;
    return text;
  }

  framed(pre, language) {
    return h(
      "figure",
      { class: "chat-code" },
      h(
        "figcaption",
        {},
        h("span", { text: language || this.texts.code }),
        button("copy", this.texts.copyCode, (event) => this.copied(event, pre.textContent)),
      ),
      pre,
    );
  }

  copyable(pre) {
    const language = pre.firstElementChild?.className.replace("language-", "") ?? "";
    const place = document.createComment("");
    pre.replaceWith(place);
    pre.tabIndex = 0;
    place.replaceWith(this.framed(pre, language));
  }

  async copied(event, text) {
    const pressed = event.currentTarget;
    const done = await copy(text);
    pressed.dataset.said = done ? this.texts.copied : this.texts.notCopied;
    setTimeout(() => delete pressed.dataset.said, 2000);
  }
}

function wrapped(table) {
  const place = document.createComment("");
  table.replaceWith(place);
  place.replaceWith(h("div", { class: "chat-table", tabindex: "0" }, table));
}
