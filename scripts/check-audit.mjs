// npm run check:audit: no package that an installation brings along has a known vulnerability that is high or critical. A registry that
// cannot be asked fails nobody: it is not the packages' fault, and says nothing about them. Exit code: 0, or 1 for a finding.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const SERIOUS = ['high', 'critical'];
const MAX_OUTPUT_BYTES = 64 * 1024 ** 2;

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, '..'));
// One that accepts and stays silent is one that cannot be asked; npm would wait for five minutes, and again.
const patience = ['--fetch-timeout=20000', '--fetch-retries=1'];
const { stdout, stderr, error } = spawnSync('npm', ['audit', '--omit=dev', '--json', ...patience], {
  cwd: folder,
  encoding: 'utf8',
  maxBuffer: MAX_OUTPUT_BYTES,
  shell: process.platform === 'win32',
});
const report = parsed(stdout);
if (typeof report?.message === 'string') {
  console.log(`The registry could not be asked about vulnerabilities: ${report.message}`);
} else if (report?.auditReportVersion === undefined) {
  console.error(`npm audit did not work: ${report?.error?.summary ?? error?.message ?? stderr}`);
  process.exitCode = 1;
} else {
  const found = Object.values(report.vulnerabilities).filter(({ severity }) => SERIOUS.includes(severity));
  for (const { name, severity, range, via } of found) {
    const titles = via.map((each) =>
      typeof each === 'string' ? `by ${each}` : `${each.title} (${each.url})`,
    );
    console.error(`${name} ${range}: ${severity}: ${titles.join('; ')}`);
  }
  const counts = report.metadata.vulnerabilities;
  console.log(
    `Known vulnerabilities: ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
  );
  process.exitCode = found.length > 0 ? 1 : 0;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
