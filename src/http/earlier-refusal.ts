import type { FastifyReply } from 'fastify';

/** Judges a request that is about to be refused: resolves, or rejects with the refusal that comes before. */
export type Judgement = () => Promise<void>;

const putOff = new WeakMap<FastifyReply, Judgement>();

/**
 * Puts a judgement off: refusals have an order (docs/architecture.md), and this one comes early in it, but whoever handles the request
 * makes it anyway. So it is only made when the request is refused by somebody else before, by {@link ProblemFilter} with a 4xx.
 */
export function putOffJudgement(reply: FastifyReply, judge: Judgement): void {
  putOff.set(reply, judge);
}

/** The judgement that was put off, for who makes it now: it is not made twice. */
export function takeJudgement(reply: FastifyReply): Judgement | undefined {
  const judge = putOff.get(reply);
  putOff.delete(reply);
  return judge;
}
