// What an application does with channels, done with each release of the published client.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answered, connect, join, releases, until } from "./client.mjs";
import { Server } from "./server.mjs";

for (const release of releases) {
  describe(`phoenix ${release}`, () => {
    test("a message arrives", async (t) => {
      const server = await Server.start(t);
      const channel = await join(await connect(t, release, server), "user:42");
      await server.send("user:42", { n: 1, text: "é\u{1f600}" });
      await until(() => channel.seen.length === 1);
      assert.deepEqual(channel.seen, [{ n: 1, text: "é\u{1f600}" }]);
    });

    test("what was sent before the join waits and arrives in order", async (t) => {
      const server = await Server.start(t);
      const numbers = Array.from({ length: 300 }, (_, n) => ({ n }));
      await server.send("user:42", ...numbers);
      const channel = await join(await connect(t, release, server), "user:42");
      await until(() => channel.seen.length === 300);
      assert.deepEqual(channel.seen, numbers);
    });

    test("several topics over one socket", async (t) => {
      const server = await Server.start(t);
      const socket = await connect(t, release, server);
      const [one, other] = [await join(socket, "user:1"), await join(socket, "user:2")];
      await server.send("user:1", { n: 1 });
      await server.send("user:2", { n: 2 });
      await until(() => one.seen.length + other.seen.length === 2);
      assert.deepEqual([one.seen, other.seen], [[{ n: 1 }], [{ n: 2 }]]);
    });

    test("two tabs both get everything", async (t) => {
      const server = await Server.start(t);
      const one = await join(await connect(t, release, server), "user:42");
      const other = await join(await connect(t, release, server), "user:42");
      await server.send("user:42", { n: 1 }, { n: 2 });
      await until(() => one.seen.length === 2 && other.seen.length === 2);
      assert.deepEqual(one.seen, other.seen);
    });

    test("an acknowledged message does not come again, another one does", async (t) => {
      const server = await Server.start(t);
      const socket = await connect(t, release, server);
      const first = await join(socket, "user:42", { ack: "client" });
      await server.send("user:42", { n: 1 }, { n: 2 });
      await until(() => first.seen.length === 2);
      assert.deepEqual(first.seen.map(({ attempt, payload }) => [attempt, payload.n]), [[1, 1], [1, 2]]);
      assert.deepEqual(await answered(first.push("ack", { ids: [first.seen[0].id] })), {});
      await answered(first.leave());
      const second = await join(socket, "user:42", { ack: "client" });
      await until(() => second.seen.length === 1);
      assert.equal(second.seen[0].id, first.seen[1].id);
      assert.equal(second.seen[0].payload.n, 2);
      assert.ok(second.seen[0].attempt > 1);
      assert.deepEqual(await answered(second.push("ack", { ids: [second.seen[0].id] })), {});
    });

    test("a push that is no ack is refused, text or binary, and the channel lives on", async (t) => {
      const server = await Server.start(t);
      const channel = await join(await connect(t, release, server), "user:42");
      const unknown = { response: { reason: "unknown event" } };
      await assert.rejects(answered(channel.push("shout", { loud: true })), unknown);
      const binary = new Uint8Array([5, 6, 7]).buffer;
      await assert.rejects(answered(channel.push("shout", binary)), unknown);
      await assert.rejects(answered(channel.push("ack", { ids: "one" })), /ids/);
      await server.send("user:42", { n: 1 });
      await until(() => channel.seen.length === 1);
    });

    test("after a leave nothing arrives until the next join", async (t) => {
      const server = await Server.start(t);
      const socket = await connect(t, release, server);
      const first = await join(socket, "user:42");
      let closed = 0;
      first.onClose(() => (closed += 1));
      await answered(first.leave());
      await until(() => closed === 1);
      await server.send("user:42", { n: 1 });
      const second = await join(socket, "user:42");
      await until(() => second.seen.length === 1);
      assert.deepEqual([first.seen, second.seen], [[], [{ n: 1 }]]);
    });

    test("joining a topic twice leaves one join", async (t) => {
      const server = await Server.start(t);
      const socket = await connect(t, release, server);
      const first = await join(socket, "user:42");
      const second = await join(socket, "user:42");
      await server.send("user:42", { n: 1 });
      await until(() => second.seen.length === 1);
      assert.deepEqual(second.seen, [{ n: 1 }]);
      assert.deepEqual(first.seen, []);
    });

    test("a join that cannot be is refused", async (t) => {
      const server = await Server.start(t);
      const socket = await connect(t, release, server);
      const reason = { response: { reason: "unmatched topic" } };
      await assert.rejects(answered(socket.channel("phoenix").join()), reason);
      await assert.rejects(answered(socket.channel("x".repeat(256)).join()), reason);
    });
  });
}
