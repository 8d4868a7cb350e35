import { Agent, request } from 'node:http';

/** An answer as it came: the body is text, and parsed where it is JSON. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly setCookies: readonly string[];
  readonly text: string;
  readonly body: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look at it from outside
}

/** Header values by name; a list is sent as that many lines, undefined as none. */
export type WireHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The `Cookie` header of whoever got that answer. */
export const cookiesOf = ({ setCookies }: WireAnswer): string =>
  setCookies.map((line) => line.split(';')[0]).join('; ');

/** Whether the node there says that it should get requests; not while it does not answer. */
export const isReady = (url: string): Promise<boolean> =>
  wire(url, 'GET', '/health/ready').then(
    ({ status }) => status === 200,
    () => false,
  );

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/**
 * Sends exactly these headers, and none that `fetch` would add (`Sec-Fetch-Mode`) or join (two of one name).
 * A body is sent as JSON unless `content-type` is given.
 */
export async function wire(
  url: string,
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: WireHeaders; readonly body?: unknown } = {},
): Promise<WireAnswer> {
  const text = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
  const sent: Record<string, string | string[]> = {};
  if (text !== '') sent['content-type'] = 'application/json';
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) sent[name] = typeof value === 'string' ? value : [...value];
  }
  if (text !== '') sent['content-length'] = String(Buffer.byteLength(text));
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, agent, headers: sent }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const { 'set-cookie': setCookies = [], ...rest } = answer.headers;
        const received = Buffer.concat(chunks).toString();
        const isJson = received !== '' && /json/.test(rest['content-type'] ?? '');
        resolve({
          status: answer.statusCode ?? 0,
          headers: Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)])),
          setCookies,
          text: received,
          body: isJson ? JSON.parse(received) : undefined,
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(text === '' ? undefined : text);
  });
}
