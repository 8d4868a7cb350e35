// Loaded into the node before its own code: says over IPC how much memory is in use once nothing is garbage.
import { subscribe } from 'node:diagnostics_channel';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

process.on('message', (message) => {
  if (message?.measure !== true) return;
  // What the first one finalizes only the second one frees.
  collectGarbage();
  collectGarbage();
  process.send({ measured: process.memoryUsage() });
});
// It keeps nobody alive who was told to end.
process.channel?.unref();

const leakBytes = Number(process.env.SOAK_LEAK_BYTES);
if (leakBytes > 0) {
  const lost = [];
  subscribe('http.server.request.start', () => lost.push(Buffer.alloc(leakBytes)));
}
