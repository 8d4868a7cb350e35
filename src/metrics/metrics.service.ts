import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { PrincipalCache } from '../auth/principal-cache.js';
import { SessionFeed } from '../feed/session-feed.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { Throttle } from '../throttle/throttle.js';

/** What an operator watches, in the Prometheus text format. A registry of our own: nothing is global. */
@Injectable()
export class MetricsService {
  private readonly registry = new Registry();

  constructor(cache: PrincipalCache, feed: SessionFeed, hasher: PasswordHasher, throttle: Throttle) {
    collectDefaultMetrics({ register: this.registry });
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name: `latchkey_${name}`,
        help,
        registers: [this.registry],
        collect() {
          this.set(read());
        },
      });
    };
    gauge(
      'feed_lag_seconds',
      'Age of the newest proof that nothing has changed; the cache is bypassed above 0.8',
      () => (Number.isFinite(feed.lagMilliseconds) ? feed.lagMilliseconds / 1000 : -1),
    );
    gauge('principal_cache_bypassed', '1 while every request asks the database', () =>
      Number(cache.statistics.bypassed),
    );
    gauge('principal_cache_entries', 'Credentials remembered', () => cache.statistics.entries);
    gauge(
      'principal_cache_hits',
      'Requests answered from memory since the start',
      () => cache.statistics.hits,
    );
    gauge(
      'principal_cache_misses',
      'Requests that had to ask the database since the start',
      () => cache.statistics.misses,
    );
    gauge('password_hashes_running', 'Password hashes being computed', () => hasher.running);
    gauge('password_hashes_waiting', 'Password hashes that wait', () => hasher.waiting);
    gauge('throttle_insurance_in_use', '1 while this node counts rate limits by itself', () =>
      Number(throttle.insuranceInUse),
    );
    new Counter({
      name: 'latchkey_throttle_refused_total',
      help: 'Requests refused since the start, by the limit that was exceeded',
      labelNames: ['limit'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [limit, refused] of throttle.refused) this.inc({ limit }, refused);
      },
    });
  }

  /** The content type of {@link text}. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** All metrics as of now. */
  async text(): Promise<string> {
    return this.registry.metrics();
  }
}
