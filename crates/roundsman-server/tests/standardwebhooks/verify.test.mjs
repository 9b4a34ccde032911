// What the binary posts, verified as a receiver in JavaScript would: by the published library, and
// for Ed25519, which that does not know, by what node brings along.

import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, verify } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { Webhook } from "standardwebhooks";
import { Server } from "../phoenix/server.mjs";

const before = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const after = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const pair = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

/** A receiver that answers 204, and what it gets, in order. */
async function receiver(test) {
  const got = [];
  const waiting = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    response.writeHead(204).end();
    const one = { headers: request.headers, body: Buffer.concat(parts), url: request.url };
    const next = waiting.shift();
    if (next) next(one);
    else got.push(one);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const next = () => got.length ? got.shift() : new Promise((resolve) => waiting.push(resolve));
  return { port: server.address().port, next };
}

function rule(port, secret) {
  return `[[deliver]]\ntopics = "hook:*"\nto = "webhook"\nurl = "http://127.0.0.1:${port}/{*}"
allow_private = true\nsecret = ${JSON.stringify(secret)}\n`;
}

test("the library verifies a message by each secret of a rotation", async (test) => {
  const { port, next } = await receiver(test);
  const server = await Server.start(test, rule(port, [before, after]));
  const payload = { n: 1, text: "é \u2028 </script>", deep: { list: [1, 2.5, null] } };
  await server.send("hook:a/b", payload);
  const got = await next();
  assert.equal(got.url, "/a%2Fb");
  for (const secret of [before, after]) {
    const message = new Webhook(secret).verify(got.body, got.headers);
    assert.deepEqual(message.data, payload);
    assert.equal(message.type, "message");
    assert.ok(Math.abs(Date.parse(message.timestamp) - Date.now()) < 60_000);
  }
  const stranger = new Webhook("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  assert.throws(() => stranger.verify(got.body, got.headers), /No matching signature/);
  const changed = Buffer.concat([got.body, Buffer.from(" ")]);
  assert.throws(() => new Webhook(after).verify(changed, got.headers), /No matching signature/);
});

test("the receiver in the documents does what they say", async (test) => {
  const folder = await mkdtemp(join(import.meta.dirname, "example-"));
  test.after(() => rm(folder, { recursive: true, force: true }));
  const page = await readFile(join(import.meta.dirname, "../../../../docs/webhooks.md"), "utf8");
  const [, program] = page.match(/```js\n([^]*?)```/);
  await writeFile(join(folder, "receiver.mjs"), `${program}server.on("listening", () => console.log(server.address().port));\n`);
  const env = { ...process.env, HOOK_SECRET: after, PORT: "0" };
  const child = spawn(process.execPath, [join(folder, "receiver.mjs")], { env, stdio: ["ignore", "pipe", "inherit"] });
  test.after(() => child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: port } = await lines.next();
  const server = await Server.start(test, rule(port, after));
  await server.send("hook:1", { n: 1 });
  assert.equal((await lines.next()).value, 'message {"n":1}');
  const forged = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "{}" });
  assert.equal(forged.status, 401);
});

test("an asymmetric signature is verified with the public key alone", async (test) => {
  const { port, next } = await receiver(test);
  const server = await Server.start(test, rule(port, [`whsk_${pair}`, before]));
  await server.send("hook:1", { n: 1 });
  const got = await next();
  const content = `${got.headers["webhook-id"]}.${got.headers["webhook-timestamp"]}.${got.body}`;
  const seed = Buffer.from(pair, "base64").subarray(0, 32);
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const key = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  const [version, signature] = got.headers["webhook-signature"].split(" ")[0].split(",");
  assert.equal(version, "v1a");
  assert.ok(verify(null, Buffer.from(content), key, Buffer.from(signature, "base64")));
  assert.ok(new Webhook(before).verify(got.body, got.headers), "others are passed over");
});
