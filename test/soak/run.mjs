// npm run soak: see options.mjs for what it takes. A build is made where the sources have changed ("presoak" in package.json).
import { HELP, readOptions } from './options.mjs';
import { soak } from './soak.mjs';

const options = optionsOrExit();
if (options.help) console.log(HELP);
else process.exitCode = await soak(options);

function optionsOrExit() {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error.message}\nnpm run soak -- --help`);
    process.exit(2);
  }
}
