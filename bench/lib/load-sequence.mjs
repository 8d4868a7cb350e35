import { performance } from 'node:perf_hooks';
import { HttpConnection } from './http-connection.mjs';

/** Sends requests one after the other on one connection. Gives the milliseconds of each, in order. */
export async function runSequence({ port, requests, expect }) {
  const connection = new HttpConnection(port);
  const milliseconds = [];
  try {
    for (const bytes of requests) {
      const start = performance.now();
      const status = await connection.request(bytes);
      if (status !== expect) throw new Error(`answered ${status} instead of ${expect}`);
      milliseconds.push(performance.now() - start);
    }
  } finally {
    connection.close();
  }
  return { milliseconds };
}
