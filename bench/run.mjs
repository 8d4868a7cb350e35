// npm run bench: see lib/options.mjs for what it takes. What has dependencies is imported after they are installed.
import { CONTENDERS } from './contenders/index.mjs';
import { prepare } from './lib/install.mjs';
import { HELP, SECTIONS, readOptions } from './lib/options.mjs';

const options = optionsOrExit();
if (options.help) {
  console.log(HELP);
} else if (options.list) {
  console.log(`measurements: ${SECTIONS.join(' ')}\ncontenders:`);
  for (const { id, label } of CONTENDERS) console.log(`  ${id.padEnd(32)}${label}`);
} else {
  prepare();
  const { main } = await import('./lib/main.mjs');
  try {
    process.exitCode = await main(options);
  } catch (error) {
    console.error(error.message ? error.stack : error);
    process.exitCode = 1;
  }
}

function optionsOrExit() {
  try {
    return readOptions(
      process.argv.slice(2),
      CONTENDERS.map(({ id }) => id),
    );
  } catch (error) {
    console.error(`${error.message}\nnpm run bench -- --help`);
    process.exit(2);
  }
}
