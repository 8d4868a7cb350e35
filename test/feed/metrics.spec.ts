import { expect, test } from '@jest/globals';
import { MetricsServer } from '../../src/metrics/metrics-server.js';
import { eventually } from '../support/processes.js';
import { TestApp } from '../support/test-app.js';

test('METRICS_PORT serves Prometheus gauges of feed, cache and hash queue, and nothing else', async () => {
  const app = await TestApp.start({ mode: 'session', env: { METRICS_PORT: '0', HOST: '127.0.0.1' } });
  const client = app.client();
  await client.signup();
  const url = `http://127.0.0.1:${app.get(MetricsServer).port}`;
  let text = '';
  // On a machine that is slow just now the cache is bypassed for a moment, and says so.
  await eventually(async () => {
    for (let i = 0; i < 5; i++) await client.me();
    const answer = await fetch(`${url}/metrics`);
    text = await answer.text();
    expect(answer.headers.get('content-type')).toContain('text/plain');
    return (
      /^latchkey_principal_cache_bypassed 0$/m.test(text) && /^latchkey_feed_lag_seconds 0\.\d+$/m.test(text)
    );
  });
  expect(text).toMatch(/^latchkey_principal_cache_hits [1-9]/m);
  expect(text).toMatch(/^latchkey_password_hashes_waiting 0$/m);
  expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
  expect((await fetch(`${url}/auth/me`)).status).toBe(404);
  // Not on the public port, whoever asks.
  expect((await client.get('/metrics')).status).toBe(404);
  await app.close();
});

test('without METRICS_PORT nothing listens', async () => {
  const app = await TestApp.start({ mode: 'session' });
  expect(() => app.get(MetricsServer)).toThrow();
  await app.close();
});
