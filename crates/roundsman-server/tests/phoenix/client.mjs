// The published client, whichever release, with what tests ask of it.

import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import { secret } from "./server.mjs";

/** The oldest that is promised to work, the newest, and two on the way. */
export const releases = ["1.7.21", "1.8.9", "1.8.15", "1.8.16"];

/** A socket of this release that is connected, and is not any more when the test ends. */
export async function connect(test, release, server, options = {}) {
  const { Socket } = await import(`phoenix-${release}`);
  const socket = new Socket(server.socket, { transport: WebSocket, ...options });
  test.after(() => socket.disconnect());
  socket.connect();
  return socket;
}

/** Joins a topic; what arrives on it is collected in `channel.seen`. */
export async function join(socket, topic, params = {}) {
  const channel = socket.channel(topic, params);
  channel.seen = [];
  channel.on("message", (payload) => channel.seen.push(payload));
  await answered(channel.join());
  return channel;
}

/** The reply to a push: its response where it is ok, an error with it where it is not. */
export function answered(push) {
  return new Promise((resolve, reject) => {
    push.receive("ok", resolve);
    push.receive("error", (response) => reject(new Refused(response)));
    push.receive("timeout", () => reject(new Error("no reply in time")));
  });
}

export class Refused extends Error {
  constructor(response) {
    super(JSON.stringify(response));
    this.response = response;
  }
}

/** Waits until `so` gives something, and returns it. */
export async function until(so, what = "it") {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const value = await so();
    if (value) return value;
    await sleep(5);
  }
  throw new Error(`waited in vain for ${what}`);
}

/** A client token for this user. */
export function token(user, expiresIn = 3600) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + expiresIn;
  const claims = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, exp })}`;
  return `${claims}.${createHmac("sha256", secret).update(claims).digest("base64url")}`;
}

/** How this release carries its token: in a subprotocol where it can, else in the query. */
export function carrying(release, token) {
  return release.startsWith("1.7.") ? { params: { token } } : { authToken: token };
}
