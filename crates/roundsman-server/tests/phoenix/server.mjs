// The roundsman binary as a test sees it: started, sent to, killed, started again.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const binary = process.env.ROUNDSMAN_BIN;

/** A secret that only tests know, and the configuration that uses it. */
export const secret = "0123456789abcdef0123456789abcdef";
export const closed = `[auth]\napi_keys = ["send"]\ntoken_secret = "${secret}"\n`;

export class Server {
  /** Starts one on a port and a store of its own; both are given up when the test ends. */
  static async start(test, config = "") {
    if (!binary) throw new Error("ROUNDSMAN_BIN names the binary to be tested");
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "roundsman-"));
    server.port = await freePort();
    server.config = join(server.folder, "roundsman.toml");
    await writeFile(server.config, config);
    test.after(async () => {
      await server.kill();
      await rm(server.folder, { recursive: true, force: true });
    });
    await server.run();
    return server;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  get socket() {
    return `ws://127.0.0.1:${this.port}/socket`;
  }

  /** Runs the binary until it says that it listens. */
  async run() {
    const { port, folder, config } = this;
    const flags = ["serve", "--config", config, "--listen", `127.0.0.1:${port}`];
    flags.push("--store", `sqlite:${join(folder, "test.db")}`);
    const stdio = ["ignore", "pipe", "inherit"];
    const env = { ...process.env, ROUNDSMAN_LOG: "error", RUST_LOG: "error" };
    this.process = spawn(binary, flags, { cwd: folder, stdio, env });
    const lines = createInterface({ input: this.process.stdout });
    const exit = once(this.process, "exit").then(([code]) => {
      throw new Error(`roundsman ended with ${code} before it listened`);
    });
    exit.catch(() => {});
    const [line] = await Promise.race([once(lines, "line"), exit]);
    if (!line.includes(this.origin)) throw new Error(`it said: ${line}`);
  }

  /** Ends it with this signal and waits until it is gone; returns its exit code. */
  async end(signal) {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return null;
    const exit = once(this.process, "exit");
    this.process.kill(signal);
    const [code] = await exit;
    return code;
  }

  kill() {
    return this.end("SIGKILL");
  }

  /** Sends messages and sees them accepted. */
  async send(topic, ...payloads) {
    const messages = payloads.map((payload) => ({ topic, payload }));
    const answer = await fetch(`${this.origin}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer send" },
      body: JSON.stringify(messages),
    });
    if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
  }
}

// Not in the range from which outgoing connections get theirs: a port is needed twice.
async function freePort() {
  for (;;) {
    const port = 20000 + Math.floor(Math.random() * 12000);
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (free) {
      await new Promise((resolve) => probe.close(resolve));
      return port;
    }
  }
}
