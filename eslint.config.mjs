import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Rules of this house that ESLint can check; `test/architecture.spec.ts` checks what needs a view of the whole tree. */
const NO_DEFAULT_EXPORT = {
  selector: 'ExportDefaultDeclaration',
  message: 'Named exports only: a default export has another name in every file that imports it.',
};
const NO_REQUEST_USER = {
  selector: 'MemberExpression[object.name=/^req(uest)?$/][property.name="user"]',
  message: '@CurrentUser() and @CurrentPrincipal() are the only ways to the caller.',
};
const NO_ENVIRONMENT = {
  selector: 'MemberExpression[object.name="process"][property.name="env"]',
  message: 'Settings are read once, in src/config; take AppConfig.',
};
const everywhere = [NO_DEFAULT_EXPORT, NO_REQUEST_USER];

export default defineConfig(
  { ignores: ['**/dist', 'coverage', '.latchkey'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: ['error', 'always'],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'no-restricted-syntax': ['error', ...everywhere],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'], location: 'start' }],
    },
  },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none', ignoreRestSiblings: true },
      ],
      // Callbacks of others give us errors as unknown, and we hand them on.
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      // A method that implements an asynchronous interface may have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: [
            { name: '@nestjs/common', importNames: ['forwardRef'], message: 'Dependencies point one way.' },
            {
              name: '@nestjs/passport',
              importNames: ['AuthGuard'],
              message: 'It uses the Passport singleton; each strategy has a PrivatePassport.',
            },
            {
              name: 'passport',
              importNames: ['default'],
              message: 'The singleton is shared by all applications of the process; use PrivatePassport.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['src/**/*.ts', 'ormconfig.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...everywhere, NO_ENVIRONMENT],
    },
  },
  {
    // Where the process begins: before there are settings or a log.
    files: ['src/main.ts', 'src/cli.ts', 'src/config/**', 'ormconfig.ts'],
    rules: { 'no-restricted-syntax': ['error', ...everywhere] },
  },
  {
    // Command lines: people read them, there is no log.
    files: ['src/main.ts', 'src/cli.ts', 'src/database/command-data-source.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // What a row looks like is the word of whoever wrote the SQL.
    files: ['src/database/**'],
    rules: { '@typescript-eslint/no-unsafe-return': 'off' },
  },
  {
    // Tools that want a default export.
    files: ['*.config.*', 'ormconfig.ts', 'test/support/global-*.mjs'],
    rules: { 'no-restricted-syntax': ['error', NO_REQUEST_USER] },
  },
  {
    files: ['**/*.mjs', '*.config.js'],
    languageOptions: {
      globals: Object.fromEntries(
        ['console', 'process', 'globalThis', 'Buffer', 'URL', 'fetch', 'setTimeout', 'clearTimeout'].map(
          (name) => [name, 'readonly'],
        ),
      ),
    },
  },
  {
    // Node's code and the page's in one file.
    files: ['test/browser/**'],
    rules: { 'no-undef': 'off' },
  },
  {
    files: ['test/**'],
    rules: {
      // Tests look at answers from outside, where nothing has a type; the assertions are the check.
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
);
