import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from './logger.js';
import { ProblemFilter, WWW_AUTHENTICATE } from './problem.filter.js';
import { validationProblem } from './validation-problem.js';

/**
 * What ends the process in order, with exit code 0. Not all that Nest would take by default: a handler for SIGSEGV or SIGILL keeps a
 * process that has crashed spinning instead of dying.
 */
const SHUTDOWN_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];

/**
 * What every application of ours does with requests, tests included: errors become problem documents, parameters with a
 * schema are judged by it, SIGTERM and SIGINT end requests in flight well. Before `app.init()`.
 *
 * The application is made by `NestFactory.create(AppModule, createHttpAdapter(config, logger), { bodyParser: false })`, without
 * Nest's `forceCloseConnections` (it cuts requests) and `return503OnClosing` (its 503 is no problem document).
 * @throws When no module provides {@link WWW_AUTHENTICATE}.
 */
export function configureHttp(app: NestFastifyApplication, logger: Logger): void {
  const challenges = app.get<string>(WWW_AUTHENTICATE, { strict: false });
  app.useGlobalFilters(new ProblemFilter(challenges, logger));
  app.useGlobalPipes(new StandardSchemaValidationPipe({ exceptionFactory: validationProblem }));
  // Nest's default is to send itself the signal again, which the kernel ignores for the first process of a container.
  app.enableShutdownHooks(SHUTDOWN_SIGNALS, { useProcessExit: true });
}
