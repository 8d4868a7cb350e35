import fc from 'fast-check';
import type { TestApp } from '../../support/test-app.js';
import type { DocumentedRoute } from './documented-routes.js';
import { Holder } from './holder.js';
import { type Input, bytesOf } from './input.js';
import { wrongWith } from './judge.js';
import { Wire, type WireAnswer } from './wire.js';

/** Inputs under way at once. */
const LANES = 8;
const SLOW_MILLISECONDS = 1_000;
const ATTEMPTS_ALONE = 3;

/** A connection, and who speaks on it: nobody else's sessions end by what is sent here. */
interface Lane {
  readonly wire: Wire;
  readonly holder: Holder;
}

/** Sends inputs, several at once, and judges every answer. */
export class Fuzzer {
  private constructor(
    private readonly lanes: readonly Lane[],
    private readonly routes: readonly DocumentedRoute[],
  ) {}

  static async create(app: TestApp, port: number, routes: readonly DocumentedRoute[]): Promise<Fuzzer> {
    const lanes: Lane[] = [];
    // Administrators get into every route.
    while (lanes.length < LANES)
      lanes.push({ wire: new Wire(port), holder: await Holder.create(app, ['admin']) });
    return new Fuzzer(lanes, routes);
  }

  /**
   * Sends `runs` inputs; throws with the smallest that is answered wrongly. Slow is what is slow each time that it is sent again with
   * nothing beside it: the machine may have been busy.
   */
  async run(inputs: fc.Arbitrary<Input>, runs: number, seed: number): Promise<void> {
    const slow: Input[] = [];
    const results = await Promise.allSettled(
      this.lanes.map(async (lane, i) => {
        const property = fc.asyncProperty(inputs, async (input) => {
          const answer = await this.send(lane, input);
          if (answer !== null && answer.milliseconds > SLOW_MILLISECONDS) slow.push(input);
          const wrong = wrongWith(
            answer,
            input,
            this.routes.find(({ name }) => name === input.route),
          );
          if (wrong !== null) throw new Error(wrong);
        });
        await fc.assert(property, { seed: seed + i, numRuns: Math.ceil(runs / LANES) });
      }),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    for (const input of slow) await this.sendAlone(input);
  }

  /** Whether an input gets as far as the handler, or to the password that it asks for. */
  async getsInside(input: Input): Promise<boolean> {
    const answer = await this.send(this.lanes[0]!, input);
    const isRefused = answer === null || [401, 403].includes(answer.status);
    return !isRefused || /"code":"(?:login_failed|password_incorrect)"/.test(answer?.body ?? '');
  }

  close(): void {
    for (const { wire } of this.lanes) wire.close();
  }

  private async sendAlone(input: Input): Promise<void> {
    const times: number[] = [];
    for (const lane of this.lanes.slice(0, ATTEMPTS_ALONE)) {
      const answer = await this.send(lane, input);
      times.push(Math.round(answer?.milliseconds ?? Infinity));
      if (times.some((time) => time <= SLOW_MILLISECONDS)) return;
    }
    throw new Error(`slow each time, in ms: ${times.join(', ')}; ${JSON.stringify(input)}`);
  }

  private async send({ wire, holder }: Lane, input: Input): Promise<WireAnswer | null> {
    const { head, body } = bytesOf(input, await holder.known());
    const answer = await wire.exchange(head, body);
    const hasChanged = !['GET', 'HEAD', 'OPTIONS'].includes(input.method) && (answer?.status ?? 0) < 300;
    if (hasChanged) holder.changed();
    else if (answer?.status === 401) holder.refused();
    return answer;
  }
}
