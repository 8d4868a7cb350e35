import base from '../../jest.config.js';

/** `npm run conformance`: the suite on one strategy from a file, wherever that lies (scripts/conformance.mjs). */
// eslint-disable-next-line no-restricted-syntax -- jest demands it
export default {
  ...base,
  rootDir: '../..',
  roots: ['<rootDir>/test/conformance'],
  testMatch: ['<rootDir>/test/conformance/outside.ts'],
  transform: { '^.+\\.[cm]?[jt]s$': base.transform['^.+\\.ts$'] },
  transformIgnorePatterns: ['/node_modules/'],
  resolver: '<rootDir>/test/conformance/outside-resolver.mjs',
  maxWorkers: 1,
};
