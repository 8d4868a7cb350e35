import { performance } from 'node:perf_hooks';

/** Runs steps in order and says what runs, what came out and how long it will still take. */
export class Progress {
  #began = performance.now();
  #estimated = 0;
  #broken = new Set();
  /** Steps that failed, and those that failed once and then not. */
  failures = [];
  repeated = [];

  /** `isOver`: whether there is no point in going on, because somebody stops the run. */
  constructor(steps, isOver) {
    this.steps = steps;
    this.isOver = isOver;
  }

  /**
   * A step: { label, seconds (estimated), run, contender?, makes?, needs? }. One that fails is told and left out; so are later ones of a
   * contender that could not be started, and those that need what was not made.
   */
  async run() {
    for (const [index, step] of this.steps.entries()) {
      const wanted = [step.contender?.id, step.contender?.family, ...(step.needs ?? [])];
      if (wanted.some((name) => this.#broken.has(name))) continue;
      const prefix = `[${String(index + 1).padStart(String(this.steps.length).length)}/${this.steps.length}, ${this.#left(index)} left] ${step.label}`;
      process.stdout.write(prefix);
      try {
        const outcome = await this.#twice(step);
        console.log(outcome ? `: ${outcome}` : '');
      } catch (error) {
        if (this.isOver()) return;
        console.log(`: FAILED\n${error.message}`);
        this.failures.push({ step: step.label, problem: error.message });
        const name = step.makes ?? (error.name === 'StartFailure' ? step.contender?.id : undefined);
        if (name) this.#broken.add(name);
      }
      this.#estimated += step.seconds;
    }
  }

  /** Once more when it fails, and no secret is made of it: a stutter of the machine is not worth half an hour. */
  async #twice(step) {
    try {
      return await step.run();
    } catch (error) {
      if (this.isOver()) throw error;
      console.log(`: failed, trying it once more\n${error.message}`);
      process.stdout.write(step.label);
      const outcome = await step.run();
      this.repeated.push({ step: step.label, problem: error.message });
      return outcome;
    }
  }

  /** What is left by estimate, corrected by how the estimates have held so far. */
  #left(index) {
    const left = this.steps.slice(index).reduce((sum, { seconds }) => sum + seconds, 0);
    const elapsed = (performance.now() - this.#began) / 1000;
    const seconds = left * (this.#estimated > 20 ? elapsed / this.#estimated : 1);
    return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
  }
}
