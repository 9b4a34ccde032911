// What becomes of a connection: heartbeats, tokens, crashes and drains, with each release.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answered, carrying, connect, join, releases, token, until } from "./client.mjs";
import { Server, closed } from "./server.mjs";

for (const release of releases) {
  describe(`phoenix ${release}`, () => {
    test("heartbeats are answered", async (t) => {
      const server = await Server.start(t);
      const socket = await connect(t, release, server, { heartbeatIntervalMs: 50 });
      let [beats, closes] = [0, 0];
      socket.onMessage(({ topic, payload }) => {
        beats += topic === "phoenix" && payload.status === "ok" ? 1 : 0;
      });
      socket.onClose(() => (closes += 1));
      await until(() => beats >= 5);
      assert.equal(closes, 0);
    });

    test("a token opens the socket and its own topic only", async (t) => {
      const server = await Server.start(t, closed);
      const socket = await connect(t, release, server, carrying(release, token("42")));
      const channel = await join(socket, "user:42");
      await server.send("user:42", { n: 1 });
      await until(() => channel.seen.length === 1);
      const foreign = answered(socket.channel("user:43").join());
      await assert.rejects(foreign, { response: { reason: "unauthorized" } });
    });

    test("without a good token there is no socket, and no hot loop", async (t) => {
      const server = await Server.start(t, closed);
      for (const bad of [undefined, "nonsense", token("42", -60)]) {
        const options = bad === undefined ? {} : carrying(release, bad);
        const socket = await connect(t, release, server, options);
        let [opens, errors] = [0, 0];
        socket.onOpen(() => (opens += 1));
        socket.onError(() => (errors += 1));
        await until(() => errors >= 3);
        assert.equal(opens, 0);
        socket.disconnect();
      }
    });

    test("after a crash it joins again, and what was sent meanwhile arrives in order", async (t) => {
      const server = await Server.start(t);
      const channel = await join(await connect(t, release, server), "user:42");
      await server.send("user:42", { n: 0 });
      await until(() => channel.seen.length === 1);
      await server.kill();
      await server.run();
      for (let n = 1; n <= 20; n += 1) await server.send("user:42", { n });
      await until(() => channel.seen.at(-1).n === 20);
      // At least once: where the crash came before its settling, the first comes again.
      const numbers = new Set(channel.seen.map(({ n }) => n));
      assert.deepEqual([...numbers], Array.from({ length: 21 }, (_, n) => n));
      assert.ok(channel.seen.length <= 22);
    });

    test("what was not acknowledged survives a crash", async (t) => {
      const server = await Server.start(t);
      const socket = await connect(t, release, server);
      const channel = await join(socket, "user:42", { ack: "client" });
      await server.send("user:42", { n: 1 }, { n: 2 });
      await until(() => channel.seen.length === 2);
      await answered(channel.push("ack", { ids: [channel.seen[0].id] }));
      await server.kill();
      await server.run();
      await until(() => channel.seen.length === 3);
      const again = channel.seen[2];
      assert.deepEqual([again.id, again.payload], [channel.seen[1].id, { n: 2 }]);
      await answered(channel.push("ack", { ids: [again.id] }));
    });

    test("a drain closes with 1012 and the client comes back", async (t) => {
      const server = await Server.start(t);
      const socket = await connect(t, release, server);
      const channel = await join(socket, "user:42");
      const codes = [];
      socket.onClose(({ code }) => codes.push(code));
      assert.equal(await server.end("SIGTERM"), 0);
      await until(() => codes.length > 0);
      assert.equal(codes[0], 1012);
      await server.run();
      await server.send("user:42", { n: 1 });
      await until(() => channel.seen.length === 1);
    });
  });
}
