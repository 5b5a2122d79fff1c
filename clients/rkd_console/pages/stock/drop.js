// Files dropped on the page: hashed beside it, then sent from where the board stands.
// Never whole in memory: both read the file in slices, and the browser streams what is sent.
const TRIES = 5;
const PAUSE_MS = 2000;
const TOLD_MS = 250;
const MOST = 201;

export default {
  template: `<div @click="open" :class="{ 'stock-over': over }"><input ref="input" type="file" multiple
    hidden @change="chosen" /><slot></slot></div>`,
  props: { address: String },
  data: () => ({ over: false }),
  created() {
    this.files = new Map();
    this.queue = [];
    this.busy = null;
    this.next = 0;
    this.told = new Map();
  },
  mounted() {
    this.listeners = {
      dragover: (e) => {
        if (![...e.dataTransfer.types].includes("Files")) return;
        e.preventDefault();
        this.over = true;
      },
      dragleave: (e) => {
        if (e.relatedTarget === null) this.over = false;
      },
      drop: (e) => {
        if (![...e.dataTransfer.types].includes("Files")) return;
        e.preventDefault();
        this.over = false;
        this.dropped(e.dataTransfer);
      },
      beforeunload: (e) => {
        if (this.busy) e.preventDefault();
      },
    };
    for (const [name, listener] of Object.entries(this.listeners)) window.addEventListener(name, listener);
  },
  beforeUnmount() {
    for (const [name, listener] of Object.entries(this.listeners)) window.removeEventListener(name, listener);
    this.cancel([...this.files.keys()]);
  },
  methods: {
    open(e) {
      if (e.target.closest("button")) this.$refs.input.click();
    },
    chosen(e) {
      this.offer([...e.target.files]);
      e.target.value = "";
    },
    async dropped(transfer) {
      const entries = [...transfer.items].map((one) => one.webkitGetAsEntry?.()).filter(Boolean);
      const files = [];
      for (const one of entries) await collect(one, files, 1);
      this.offer(files.length ? files : [...transfer.files]);
    },
    offer(files) {
      const offered = files.slice(0, MOST).map((file) => {
        const key = String(this.next++);
        this.files.set(key, file);
        return { key, name: file.name, size: file.size };
      });
      this.$emit("dropped", { files: offered });
    },
    bring(keys) {
      this.queue.push(...keys);
      this.work();
    },
    cancel(keys) {
      this.queue = this.queue.filter((key) => !keys.includes(key));
      for (const key of keys) this.files.delete(key);
      if (this.busy && keys.includes(this.busy.key)) this.busy.stop();
    },
    async work() {
      if (this.busy) return;
      const key = this.queue.shift();
      if (key === undefined) return;
      const file = this.files.get(key);
      const stopped = new Promise((_, reject) => {
        this.busy = { key, stop: () => reject(new Stopped()) };
      });
      stopped.catch(() => {});
      try {
        const digest = await this.hash(key, file, stopped);
        await this.send(key, file, digest, stopped);
        this.$emit("brought", { key, digest });
      } catch (error) {
        if (!(error instanceof Stopped)) this.$emit("broken", { key, message: String(error.message ?? error) });
      } finally {
        this.files.delete(key);
        this.busy = null;
        this.work();
      }
    },
    step(key, stage, done, total) {
      const now = performance.now();
      const last = this.told.get(key);
      if (last && last.stage === stage && now - last.at < TOLD_MS && done < total) return;
      this.told.set(key, { stage, at: now });
      this.$emit("step", { key, stage, done, total });
    },
    async hash(key, file, stopped) {
      const worker = new Worker("/console/sha.js");
      try {
        const hashed = new Promise((resolve, reject) => {
          worker.onmessage = ({ data }) => {
            if (data.digest) resolve(data.digest);
            else if (data.error) reject(new Error(data.error));
            else this.step(key, "hashing", data.done, file.size);
          };
          worker.onerror = (e) => reject(new Error(e.message || "the file cannot be read"));
        });
        worker.postMessage(file);
        return await Promise.race([hashed, stopped]);
      } finally {
        worker.terminate();
      }
    },
    async send(key, file, digest, stopped) {
      let committed = -1;
      for (let tries = 0; ; ) {
        try {
          const stands = await Promise.race([this.stands(digest, file.size), stopped]);
          if (stands.complete) return;
          if (stands.committed > committed) tries = 0;
          committed = stands.committed;
          if ((await this.put(key, file, digest, committed, stopped)).complete) return;
        } catch (error) {
          if (error instanceof Stopped || error.final) throw error;
          if (++tries >= TRIES) throw error;
          await Promise.race([new Promise((resolve) => setTimeout(resolve, PAUSE_MS)), stopped]);
        }
      }
    },
    async stands(digest, size) {
      const answer = await fetch(`${this.address}?digest=${digest}&size=${size}`, { method: "POST" });
      return judged(answer.status, await answer.json());
    },
    put(key, file, digest, offset, stopped) {
      const request = new XMLHttpRequest();
      const sent = new Promise((resolve, reject) => {
        request.upload.onprogress = ({ loaded }) => {
          const done = Math.min(file.size, offset + loaded);
          this.step(key, done < file.size ? "sending" : "checking", done, file.size);
        };
        request.onload = () => {
          try {
            resolve(judged(request.status, JSON.parse(request.responseText)));
          } catch (error) {
            reject(error);
          }
        };
        request.onerror = () => reject(new Error("the connection broke"));
        request.open("PUT", `${this.address}?digest=${digest}&size=${file.size}&offset=${offset}`);
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.send(file.slice(offset));
      });
      return Promise.race([sent, stopped]).finally(() => request.abort());
    },
  },
};

class Stopped extends Error {}

function judged(status, told) {
  if (status < 400) return told;
  const error = new Error([told.error, told.remedy].filter(Boolean).join(" "));
  error.final = status < 500 && status !== 409;
  throw error;
}

// Of a folder its own files are taken, and those of the folders in it, as a checkpoint has them.
async function collect(entry, files, depth) {
  if (files.length >= MOST) return;
  if (entry.isFile) files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  if (!entry.isDirectory || depth < 0) return;
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const one of part) await collect(one, files, depth - 1);
  }
}
