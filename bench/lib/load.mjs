import { fileURLToPath } from 'node:url';
import { NodeProcess } from './processes.mjs';

const SCRIPT = fileURLToPath(new URL('load-process.mjs', import.meta.url));

/** The load process, from our side. */
export class Load {
  #process;
  #answers = new Map();
  #last = 0;

  static async start({ core, directory }) {
    const load = new Load();
    load.#process = new NodeProcess({ name: 'load', script: SCRIPT, core, directory });
    await load.#process.message('ready');
    load.#process.child.on('message', ({ id, ...answer }) => load.#answers.get(id)?.(answer));
    return load;
  }

  /** See load-run.mjs. */
  run(spec) {
    return this.#ask('run', spec);
  }

  /** See load-sequence.mjs. */
  sequence(spec) {
    return this.#ask('sequence', spec);
  }

  /** See load-endings.mjs. */
  endings(spec) {
    return this.#ask('endings', spec);
  }

  stop() {
    return this.#process.stop();
  }

  async #ask(command, spec) {
    const id = ++this.#last;
    const answer = await new Promise((resolve) => {
      this.#answers.set(id, resolve);
      void this.#process.exited.then((code) => resolve({ error: `the load process ended (${code})` }));
      this.#process.send({ id, command, ...spec });
    });
    this.#answers.delete(id);
    if (answer.error) throw new Error(answer.error);
    return answer.result;
  }
}
