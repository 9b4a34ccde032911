// The newest release of the published client in a real browser, headless.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { test } from "node:test";
import { chromium } from "playwright-core";
import { token } from "./client.mjs";
import { Server, secret } from "./server.mjs";

const script = new URL("node_modules/phoenix-1.8.16/priv/static/phoenix.min.js", import.meta.url);
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
flags.push("--disable-background-networking", "--disable-component-update", "--disable-sync");

/** A tab of its own browser, on the page at this address. */
async function open(t, address) {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: flags });
  t.after(() => browser.close());
  const tab = await browser.newPage();
  await tab.goto(address);
  await tab.addScriptTag({ content: await readFile(script, "utf8") });
  return tab;
}

/** In the tab: joins, notes in `told` what happens, acknowledges what arrives. */
function talk([address, options]) {
  const socket = new Phoenix.Socket(address, options);
  const told = { seen: [], codes: [], joins: 0, errors: 0 };
  globalThis.told = told;
  socket.onClose(({ code }) => told.codes.push(code));
  socket.onError(() => (told.errors += 1));
  socket.connect();
  const channel = socket.channel("user:42", { ack: "client" });
  channel.on("message", (message) => {
    told.seen.push(message.payload.n);
    channel.push("ack", { ids: [message.id] });
  });
  channel.join().receive("ok", () => (told.joins += 1));
}

const waits = { timeout: 20_000 };

test("a page gets its messages, acknowledges them, and comes back after a crash and a drain", async (t) => {
  const server = await Server.start(t);
  await server.send("user:42", { n: 1 }, { n: 2 });
  // Any page of the server's own will do: what counts is its origin.
  const tab = await open(t, `${server.origin}/healthz`);
  await tab.evaluate(talk, [server.socket, {}]);
  await tab.waitForFunction(() => told.seen.length === 2, null, waits);
  await server.kill();
  await server.run();
  await server.send("user:42", { n: 3 });
  await tab.waitForFunction(() => told.seen.includes(3), null, waits);
  assert.equal(await server.end("SIGTERM"), 0);
  await tab.waitForFunction(() => told.codes.includes(1012), null, waits);
  await server.run();
  await server.send("user:42", { n: 4 });
  await tab.waitForFunction(() => told.seen.includes(4), null, waits);
  const { seen, joins, codes } = await tab.evaluate(() => told);
  // At least once: an acknowledgement that a crash cut off brings its message again.
  assert.deepEqual([...new Set(seen)], [1, 2, 3, 4]);
  assert.ok(joins >= 3);
  assert.ok(!codes.includes(1000));
});

/** The address of a page that is not the server's. */
async function elsewhere(t) {
  const page = createServer((_, answer) => answer.end("elsewhere"));
  page.listen(0, "127.0.0.1");
  await once(page, "listening");
  t.after(() => page.close());
  return `http://127.0.0.1:${page.address().port}`;
}

test("a page of an origin that is configured gets a socket, another one does not", async (t) => {
  const [known, unknown] = [await elsewhere(t), await elsewhere(t)];
  const config = `[auth]\ntoken_secret = "${secret}"\norigins = ["${known}"]\n`;
  const server = await Server.start(t, config);
  const options = { authToken: token("42") };
  const welcome = await open(t, known);
  await welcome.evaluate(talk, [server.socket, options]);
  await welcome.waitForFunction(() => told.joins === 1, null, waits);
  const stranger = await open(t, unknown);
  await stranger.evaluate(talk, [server.socket, options]);
  await stranger.waitForFunction(() => told.errors >= 2, null, waits);
  assert.deepEqual(await stranger.evaluate(() => told.joins), 0);
});
