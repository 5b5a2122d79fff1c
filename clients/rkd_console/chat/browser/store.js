// Conversations in this browser: IndexedDB, or memory where the browser gives none.
// A conversation is a head and its turns; a turn is written alone, so that a long one costs itself.

const NAME = "rkd-chat";
const VERSION = 1;
const TABLES = { heads: "id", turns: ["of", "id"], pictures: "digest" };

function asked(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const [table, keyPath] of Object.entries(TABLES)) {
        request.result.createObjectStore(table, { keyPath });
      }
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}

class Tables {
  constructor(db) {
    this.db = db;
  }

  async write(tables, work) {
    const transaction = this.db.transaction(tables, "readwrite");
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
    await work((table) => transaction.objectStore(table));
    await done;
  }

  get(table, key) {
    return asked(this.db.transaction(table).objectStore(table).get(key));
  }

  all(table, range) {
    return asked(this.db.transaction(table).objectStore(table).getAll(range));
  }

  put(table, ...values) {
    return this.write([table], (at) => values.forEach((one) => at(table).put(one)));
  }

  remove(table, ...keys) {
    return this.write([table], (at) => keys.forEach((one) => at(table).delete(one)));
  }
}

// The same for browsers that keep nothing (private windows of some): gone with the tab.
class Memory {
  constructor() {
    this.rows = Object.fromEntries(Object.keys(TABLES).map((table) => [table, new Map()]));
  }

  key(table, value) {
    return table === "turns" ? JSON.stringify([value.of, value.id]) : value[TABLES[table]];
  }

  async get(table, key) {
    return this.rows[table].get(Array.isArray(key) ? JSON.stringify(key) : key);
  }

  async all(table, range) {
    const rows = [...this.rows[table].values()];
    return range ? rows.filter((one) => one.of === range.of) : rows;
  }

  async put(table, ...values) {
    for (const one of values) this.rows[table].set(this.key(table, one), one);
  }

  async remove(table, ...keys) {
    for (const one of keys) {
      this.rows[table].delete(Array.isArray(one) ? JSON.stringify(one) : one);
    }
  }
}

export class Store {
  static async open() {
    try {
      return new Store(new Tables(await opened()), true);
    } catch {
      return new Store(new Memory(), false);
    }
  }

  constructor(tables, lasting) {
    this.tables = tables;
    this.lasting = lasting;
    this.listeners = [];
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
    if (this.channel) {
      this.channel.onmessage = (event) => this.listeners.forEach((one) => one(event.data));
    }
  }

  close() {
    this.channel?.close();
  }

  // Other tabs are told: {id, quiet} of a change, {id, dropped} of a conversation that is gone.
  onchange(listener) {
    this.listeners.push(listener);
  }

  range(id) {
    if (!this.lasting) return { of: id };
    return IDBKeyRange.bound([id, ""], [id, "\uffff"]);
  }

  async list() {
    const heads = await this.tables.all("heads");
    return heads
      .map((one) => ({ id: one.id, name: one.name, changed_ms: one.head.changed_ms }))
      .sort((a, b) => b.changed_ms - a.changed_ms);
  }

  async read(id) {
    const kept = await this.tables.get("heads", id);
    if (!kept) return null;
    const turns = await this.tables.all("turns", this.range(id));
    const named = new Map(turns.map((one) => [one.id, one.turn]));
    const lanes = kept.head.lanes.map((lane, at) => ({
      ...lane,
      turns: kept.order[at].map((name) => named.get(name)).filter(Boolean),
    }));
    return { ...kept.head, lanes };
  }

  async turn(id, name) {
    return (await this.tables.get("turns", [id, name]))?.turn;
  }

  async keep(change) {
    const id = change.head.id;
    const before = await this.tables.get("heads", id);
    const rows = change.turns.map((turn) => ({ of: id, id: turn.id, turn }));
    if (rows.length) await this.tables.put("turns", ...rows);
    await this.tables.put("heads", {
      id,
      name: change.name,
      head: change.head,
      order: change.order,
    });
    const left = new Set(change.order.flat());
    const gone = (before?.order.flat() ?? []).filter((name) => !left.has(name));
    if (gone.length) await this.tables.remove("turns", ...gone.map((name) => [id, name]));
    this.channel?.postMessage({ id, quiet: change.quiet });
  }

  // A turn of a conversation that is not open here; what was removed meanwhile stays removed.
  async keepAlone({ of, turn }) {
    const kept = await this.tables.get("heads", of);
    if (kept?.order.flat().includes(turn.id)) {
      await this.tables.put("turns", { of, id: turn.id, turn });
      this.channel?.postMessage({ id: of, quiet: false });
    }
  }

  async whole(conversation, name) {
    const turns = conversation.lanes.flatMap((lane) => lane.turns);
    const head = {
      ...conversation,
      lanes: conversation.lanes.map((lane) => ({ ...lane, turns: [] })),
    };
    const order = conversation.lanes.map((lane) => lane.turns.map((one) => one.id));
    await this.keep({ head, name, order, turns, quiet: false });
  }

  async drop(id) {
    const turns = await this.tables.all("turns", this.range(id));
    if (turns.length) await this.tables.remove("turns", ...turns.map((one) => [id, one.id]));
    await this.tables.remove("heads", id);
    await this.sweep(turns.flatMap((one) => one.turn.pictures.map((each) => each.digest)));
    this.channel?.postMessage({ id, dropped: true });
  }

  // Pictures go with the last turn that shows them.
  async sweep(digests) {
    if (!digests.length) return;
    const rest = await this.tables.all("turns");
    const used = new Set(rest.flatMap((one) => one.turn.pictures.map((each) => each.digest)));
    const gone = digests.filter((one) => !used.has(one));
    if (gone.length) await this.tables.remove("pictures", ...gone);
  }

  async picture(digest) {
    const found = await this.tables.get("pictures", digest);
    return found ? new Blob([found.data], { type: found.type }) : null;
  }

  async putPicture(digest, type, data) {
    await this.tables.put("pictures", { digest, type, data });
  }
}

// What is exported: a document of the console's own form, with the pictures in it.
export async function documentOf(store, ids) {
  const conversations = [];
  const pictures = {};
  for (const id of ids) {
    const one = await store.read(id);
    if (!one) continue;
    conversations.push(one);
    for (const turn of one.lanes.flatMap((lane) => lane.turns)) {
      for (const { digest, mime_type } of turn.pictures) {
        const blob = digest in pictures ? null : await store.picture(digest);
        if (blob) pictures[digest] = { mime_type, data: await base64(blob) };
      }
    }
  }
  return { format: "rkd-chat", version: 1, conversations, pictures };
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

export async function bytesOf(text) {
  const plain = atob(text);
  const bytes = new Uint8Array(plain.length);
  for (let at = 0; at < plain.length; at++) bytes[at] = plain.charCodeAt(at);
  return bytes.buffer;
}
