import { readdir } from 'node:fs/promises';
import type { DataSourceOptions } from 'typeorm';

type MigrationClass = Extract<NonNullable<DataSourceOptions['migrations']>, readonly unknown[]>[number];

// `migrations/` lies beside `src/` in the sources and in `dist/` alike.
const DIRECTORY = new URL('../../migrations/', import.meta.url);

/** The classes in `migrations/`, oldest first. They are found by their file names, so that a new file is all a migration needs. */
export async function loadMigrations(): Promise<MigrationClass[]> {
  const files = (await readdir(DIRECTORY)).filter((name) => /^\d{13}-[\w-]+\.(js|ts)$/.test(name)).sort();
  const modules = await Promise.all(
    files.map((name): Promise<object> => import(new URL(name, DIRECTORY).href)),
  );
  return modules.flatMap((module) => Object.values(module).filter(isClass));
}

function isClass(value: unknown): value is Exclude<MigrationClass, string> {
  return typeof value === 'function';
}
