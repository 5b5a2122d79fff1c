"use strict";
// SHA-256 (FIPS 180-4) of a file, slice by slice: over plain http browsers have no crypto.subtle, and
// where they have it, it wants the whole file at once.
const SLICE = 4 << 20;
const K = new Uint32Array(64);
const state = new Uint32Array(8);
const w = new Uint32Array(64);

function primes() {
  // The constants are the first 32 bits of the roots of the first primes.
  const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32);
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (found < 8) state[found] = fraction(n ** (1 / 2));
    K[found++] = fraction(Math.cbrt(n));
  }
}

function block(data, at) {
  for (let i = 0; i < 16; i++, at += 4)
    w[i] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

onmessage = async ({ data: file }) => {
  primes();
  try {
    let rest = new Uint8Array(0);
    for (let at = 0; at < file.size; at += SLICE) {
      const piece = new Uint8Array(await file.slice(at, at + SLICE).arrayBuffer());
      const whole = piece.length & ~63;
      for (let i = 0; i < whole; i += 64) block(piece, i);
      rest = piece.subarray(whole); // only of the last slice: all others are whole blocks
      postMessage({ done: at + piece.length });
    }
    const tail = new Uint8Array(rest.length < 56 ? 64 : 128);
    tail.set(rest);
    tail[rest.length] = 0x80;
    const view = new DataView(tail.buffer);
    view.setUint32(tail.length - 8, Math.floor((file.size * 8) / 2 ** 32));
    view.setUint32(tail.length - 4, (file.size * 8) >>> 0);
    for (let i = 0; i < tail.length; i += 64) block(tail, i);
    postMessage({ digest: "sha256:" + [...state].map((one) => one.toString(16).padStart(8, "0")).join("") });
  } catch (error) {
    postMessage({ error: String(error.message ?? error) });
  }
};
