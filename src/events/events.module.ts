import { Global, Inject, Module } from '@nestjs/common';
import { LOGGER, type Logger } from '../http/logger.js';
import { SecurityEvents } from './security-events.js';

/** Typed security events, for every module to publish and to hear; the log hears them all. */
@Global()
@Module({ providers: [SecurityEvents], exports: [SecurityEvents] })
export class EventsModule {
  constructor(events: SecurityEvents, @Inject(LOGGER) logger: Logger) {
    events.subscribe((event, _on, { actor, requestId }) =>
      logger.info({ event, actor, requestId }, 'security event'),
    );
  }
}
