import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from './client.mjs';

/**
 * So few that nothing queues for long: by far fewer than may wait for a password hash (`PASSWORD_HASH_QUEUE`, 64), hardly more than the pool has
 * connections. When the machine turns to something else, the node falls behind, and does not have to answer 503 for it.
 */
const CLIENTS = 16;
const TICK_MILLISECONDS = 5;
/** Seconds of requests that may be owed before they are given up. */
const MAX_OWED_SECONDS = 1;

/** The clients, and how many of them are let work at a time. */
export class Load {
  #clients;
  #tally;
  #stopped = false;

  constructor(port, tally) {
    this.#tally = tally;
    this.#clients = Array.from(
      { length: CLIENTS },
      (_, i) => new Client(port, tally, i % 2 === 0 ? 'session' : 'jwt'),
    );
  }

  /** Everybody signs up. */
  async signUp() {
    for (let i = 0; i < CLIENTS; i += 8)
      await Promise.all(this.#clients.slice(i, i + 8).map((client) => client.step()));
  }

  /** As many requests as the node can answer when so many clients never wait. @returns answers a second */
  async asFastAsItGoes(clients, seconds) {
    const before = this.#tally.answers;
    const begin = performance.now();
    const end = begin + seconds * 1000;
    await Promise.all(
      this.#clients.slice(0, clients).map(async (client) => {
        while (performance.now() < end) await client.step();
      }),
    );
    return ((this.#tally.answers - before) / (performance.now() - begin)) * 1000;
  }

  /**
   * So many requests a second, whatever the node does; none while every client waits for an answer.
   */
  async at(rate, seconds) {
    const idle = [...this.#clients];
    const busy = new Set();
    const begin = performance.now();
    let sent = 0;
    for (let elapsed = 0; elapsed < seconds && !this.#stopped; elapsed = (performance.now() - begin) / 1000) {
      sent = Math.max(sent, (elapsed - MAX_OWED_SECONDS) * rate);
      for (; sent < elapsed * rate && idle.length > 0; sent++) {
        const client = idle.shift();
        const step = client.step().then(() => {
          busy.delete(step);
          idle.push(client);
        });
        busy.add(step);
      }
      await delay(TICK_MILLISECONDS);
    }
    await Promise.all(busy);
  }

  /** For good, in the middle of whatever is being done. */
  stop() {
    this.#stopped = true;
    this.close();
  }

  /** Closes all connections; the next requests open new ones. */
  close() {
    for (const client of this.#clients) client.close();
  }
}
