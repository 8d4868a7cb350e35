import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { alwaysExpired } from './cookies.js';
import { takeJudgement } from './earlier-refusal.js';
import type { Logger } from './logger.js';
import { problemDocument, problemHeaders } from './problem-document.js';
import { problemOf } from './problem-of.js';
import { PROBLEMS, Problem } from './problem.js';

/** Injection token of a string: the value of `WWW-Authenticate`, a challenge of each enabled strategy. */
export const WWW_AUTHENTICATE = Symbol('WWW_AUTHENTICATE');

/** The client left while its body was being read: an error of the stream, which nobody sees the answer to. */
const CLIENT_LEFT = new Problem('malformed_request');

/** The way of every error to the client: an RFC 9457 document, and nothing of the error itself that was not meant for it. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  /** @param challenges What {@link WWW_AUTHENTICATE} stands for. */
  constructor(
    private readonly challenges: string,
    private readonly logger: Logger,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const problem = request.raw.errored === null ? problemOf(error) : CLIENT_LEFT;
    const judge = PROBLEMS[problem.code].status < 500 ? takeJudgement(reply) : undefined;
    if (judge === undefined) this.answer(problem, request, reply);
    else
      void judge().then(
        () => this.answer(problem, request, reply),
        (earlier: unknown) => this.answer(problemOf(earlier), request, reply),
      );
  }

  private answer(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
    const { status } = PROBLEMS[problem.code];
    if (status >= 500) this.log(problem, request);
    if (reply.raw.headersSent) {
      // Half an answer is out: nothing can be said any more, but a cut connection is no complete answer either.
      reply.raw.destroy();
      return;
    }
    takeCookiesBack(request, reply, status);
    if (status === 401) reply.header('www-authenticate', this.challenges);
    reply.code(status).headers(problemHeaders(problem)).send(problemDocument(problem, request.id));
  }

  private log(problem: Problem, request: FastifyRequest): void {
    const { cause } = problem;
    const line = {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url,
      code: problem.code,
      err: cause ?? problem,
    };
    if (problem.code === 'internal_error') this.logger.error(line, 'request failed');
    else this.logger.warn(line, 'request refused');
  }
}

/**
 * A non-2xx answer sets and clears no cookie. express-session adds its own when the answer is written, unless its session is gone
 * from the request by then.
 */
function takeCookiesBack(request: FastifyRequest, reply: FastifyReply, status: number): void {
  if ('session' in request.raw) request.raw.session = null;
  reply.removeHeader('set-cookie');
  if (status === 401) for (const cookie of alwaysExpired(reply)) reply.header('set-cookie', cookie);
}
