/**
 * Servers that stay up together while one after the other gets a short slice of load, there and back (A B C, C B A): what the machine
 * does to one it does to all, and the ratio of two slices that lie beside each other says more than that of two long ones.
 */
export class Lineup {
  #servers = new Map();

  /** `start(entry)` gives a new server, ready to be measured. An entry: `{ key, contender, ... }`. */
  constructor(start) {
    this.start = start;
  }

  /** One that fails is stopped, and the next who asks for it gets a new one. */
  async work(entry, work) {
    const { key } = entry;
    const server = this.#servers.get(key) ?? (await this.start(entry));
    this.#servers.set(key, server);
    try {
      return await work(server);
    } catch (error) {
      this.#servers.delete(key);
      await server.stop();
      throw error;
    }
  }

  /** The steps: all are started, then `slice(entry, server)` of each in each of so many rounds, and all are stopped. */
  steps(name, entries, { rounds, startSeconds, seconds, slice }) {
    const starts = entries.map((entry) => ({
      label: `${name}: ${entry.label} starts and warms up`,
      contender: entry.contender,
      needs: entry.needs,
      seconds: startSeconds,
      run: () => this.work(entry, () => undefined),
    }));
    const slices = Array.from({ length: rounds }, (_, round) =>
      (round % 2 === 0 ? entries : entries.toReversed()).map((entry) => ({
        label: `${name}, round ${round + 1} of ${rounds}: ${entry.label}`,
        contender: entry.contender,
        needs: entry.needs,
        seconds,
        run: () => this.work(entry, (server) => slice(entry, server)),
      })),
    ).flat();
    const end = { label: `${name}: stopping the servers`, seconds: 1, run: () => this.#stop() };
    return entries.length === 0 ? [] : [...starts, ...slices, end];
  }

  async #stop() {
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
    this.#servers.clear();
  }
}
