// Carries out the Dockerfile in a folder, without a container engine: each stage is a folder, COPY copies, RUN runs on this
// machine in the folder of WORKDIR. What a stage would install by apt-get has to be here already. It understands as much of the
// language as our Dockerfile uses and stops at anything else, so that the test cannot drift from what an engine would do.
//
// node dockerfile.mjs <context> <output> [NAME=value ...]   writes <output>/<stage>/ and <output>/image.json
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

const [context = '.', output = '', ...buildArguments] = process.argv.slice(2);
const given = Object.fromEntries(buildArguments.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
/** What a RUN gets of this machine's environment. */
const PASSED_ON = /^(PATH|HOME|LANG|(https?|no)_proxy|SSL_CERT_\w+|NODE_EXTRA_CA_CERTS)$/i;
const machine = Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ON.test(name)));
const admitted = readIgnoreFile(join(context, '.dockerignore'));
const stages = new Map();
let stage;

for (const { keyword, rest } of instructions(readFileSync(join(context, 'Dockerfile'), 'utf8'))) {
  console.log(`${keyword} ${rest.replaceAll(/\s+/g, ' ').slice(0, 150)}`);
  carryOut(keyword, rest);
}
const { directory, environment, image } = stage;
writeFileSync(
  join(output, 'image.json'),
  JSON.stringify({ ...image, directory, environment, workdir: workdirOf(stage) }, null, 2),
);

function carryOut(keyword, rest) {
  switch (keyword) {
    case 'FROM': {
      const [, base = '', name = ''] = /^(\S+) AS (\S+)$/.exec(rest) ?? stop(rest);
      if (stages.has(base)) stop('a stage from a stage');
      stage = { directory: resolve(output, name), environment: {}, arguments: {}, workdir: '/', image: {} };
      mkdirSync(stage.directory, { recursive: true });
      return stages.set(name, stage);
    }
    case 'ARG': {
      const [name = '', value = ''] = rest.split(/=(.*)/s);
      if (stage) stage.arguments[name] = given[name] ?? unquoted(value);
      return;
    }
    case 'ENV':
      for (const [, name, value] of rest.matchAll(/(\w+)=("[^"]*"|\S*)/g))
        stage.environment[name] = unquoted(value);
      return;
    case 'WORKDIR':
      stage.workdir = rest;
      return void mkdirSync(workdirOf(stage), { recursive: true });
    case 'COPY':
      return copy(rest.split(' '));
    case 'RUN':
      return run(rest);
    case 'USER':
      return void (stage.image.user = rest);
    case 'STOPSIGNAL':
      return void (stage.image.stopSignal = rest);
    case 'CMD':
      return void (stage.image.command = JSON.parse(rest));
    case 'HEALTHCHECK':
      return void (stage.image.healthcheck = JSON.parse(rest.split(' CMD ')[1]));
    case 'LABEL':
    case 'EXPOSE':
      return;
    default:
      stop(keyword);
  }
}

function copy(words) {
  const from = /^--from=(.+)$/.exec(words[0] ?? '')?.[1];
  const sources = words.slice(from ? 1 : 0, -1);
  const target = words.at(-1) ?? '';
  for (const source of sources) {
    const path = from ? join(stages.get(from)?.directory ?? stop(from), source) : join(context, source);
    if (!from && !admitted.has(source)) stop(`${source} is not in the context: see .dockerignore`);
    // As an engine does it: of a folder the contents, a file into a folder when the target ends in a slash.
    const isFolder = statSync(path).isDirectory();
    const into = isFolder || !target.endsWith('/') ? target : join(target, basename(source));
    cpSync(path, join(workdirOf(stage), into), { recursive: true, verbatimSymlinks: true });
  }
}

function run(command) {
  const install = /^apt-get update && apt-get install -y --no-install-recommends ([^&]+) &&/.exec(command);
  if (install) {
    const tools = install[1].trim().split(' ');
    for (const tool of tools) if (!onPath(tool)) stop(`${tool} is not installed here`);
    return console.log(`  (here already: ${tools.join(', ')})`);
  }
  const { status } = spawnSync('/bin/sh', ['-c', `umask 022; ${command}`], {
    cwd: workdirOf(stage),
    env: { ...machine, ...stage.arguments, ...stage.environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) stop(`RUN ended with ${status}`);
}

function* instructions(text) {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  for (const line of lines.join('\n').replaceAll(/\\\n/g, ' ').split('\n')) {
    const [, keyword, rest] = /^([A-Z]+) +(.*)$/.exec(line.trim()) ?? [];
    if (keyword) yield { keyword, rest: rest ?? '' };
    else if (line.trim() !== '') stop(line);
  }
}

/** Ours lets nothing in but what it names. */
function readIgnoreFile(path) {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines[0] !== '*') stop('.dockerignore does not begin with *');
  return new Set(lines.slice(1).map((line) => (line.startsWith('!') ? line.slice(1) : stop(line))));
}

function workdirOf({ directory: root, workdir }) {
  return join(root, workdir);
}

function onPath(tool) {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, tool)));
}

function unquoted(text) {
  return text.replace(/^"(.*)"$/s, '$1');
}

function stop(what) {
  console.error(`dockerfile.mjs: cannot go on: ${what}`);
  process.exit(1);
}
