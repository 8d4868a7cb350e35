// The load: a process of its own, on a core of its own. Takes { id, command, ... } over IPC, answers { id, result } or { id, error }.
import { readFileSync } from 'node:fs';
import { requestBytes } from './http-connection.mjs';
import { runLoad } from './load-run.mjs';
import { runEndings } from './load-endings.mjs';
import { runSequence } from './load-sequence.mjs';

const COMMANDS = {
  run: (spec) => runLoad({ ...spec, requests: requestsOf(spec) }),
  sequence: (spec) => runSequence({ ...spec, requests: requestsOf(spec) }),
  endings: runEndings,
};
const files = new Map();

process.on('disconnect', () => process.exit());
process.on('message', ({ id, command, ...spec }) => {
  COMMANDS[command](spec).then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, error: error.stack }),
  );
});
process.send({ ready: true });

/** The bytes of the requests in `file`, or of the `first` of them behind the `skip` first. */
function requestsOf({ file, skip = 0, first = Infinity, port }) {
  if (!files.has(file)) files.set(file, JSON.parse(readFileSync(file, 'utf8')));
  return files
    .get(file)
    .slice(skip, skip + first)
    .map((request) => requestBytes(request, port));
}
