// The chat as a component: the page's controls above, everything else in hands of its own.

import { Chat } from "rkd-chat";

export default {
  template: `<div class="chat"><div class="chat-top"><slot></slot></div><div ref="body" class="chat-body"></div></div>`,
  props: { texts: Object, desk: String },
  mounted() {
    this.chat = new Chat(this.$refs.body, this.texts, this.desk);
    this.chat.begin();
  },
  unmounted() {
    this.chat.close();
  },
  methods: {
    async show(drawn) {
      await this.chat.built;
      this.chat.show(drawn);
    },
    async grow(step) {
      await this.chat.built;
      return this.chat.grow(step);
    },
    async keep(change) {
      await this.chat.built;
      return this.chat.keep(change);
    },
    async works(conversations) {
      await this.chat.built;
      this.chat.shelf.works(conversations);
    },
    list() {
      this.chat.shelved();
    },
    help() {
      this.chat.help.showModal();
    },
  },
};
