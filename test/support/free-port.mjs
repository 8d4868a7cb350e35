import { createServer } from 'node:net';

/** Below those that systems give to whoever asks for any (Linux: 32768 and up), so that nobody gets it until it is listened on. */
const FIRST_PORT = 11_000;
const PORTS_OF_A_PROCESS = 50;
const PROCESSES = 400;
let asked = 0;

/** A port of this machine that nobody listens on, and that no test file beside this one will take. */
export async function freePort() {
  for (let attempt = 0; attempt < PORTS_OF_A_PROCESS; attempt += 1) {
    const offset = (process.pid % PROCESSES) * PORTS_OF_A_PROCESS + (asked++ % PORTS_OF_A_PROCESS);
    const port = FIRST_PORT + offset;
    const server = createServer();
    const isFree = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error(`no free port among the ${PORTS_OF_A_PROCESS} of this process`);
}
