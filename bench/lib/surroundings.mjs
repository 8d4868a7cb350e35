import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';

const OURS = [
  '@nestjs/core',
  '@nestjs/platform-fastify',
  'fastify',
  'express-session',
  'passport-jwt',
  'typeorm',
  'pg',
  'argon2',
];
const PEERS = [
  '@nestjs/core',
  '@nestjs/platform-fastify',
  '@nestjs/platform-express',
  '@nestjs/passport',
  '@nestjs/jwt',
  '@nestjs/typeorm',
  'express-session',
  'connect-pg-simple',
  'passport',
  'passport-local',
  'passport-jwt',
  'typeorm',
  'better-auth',
  'fastify',
  'pg',
  'argon2',
];

/** Where and with what the run was made. */
export function surroundings(bench) {
  const [{ model }] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} x ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`,
    before: bench.before,
    node: process.version,
    database: bench.postgres.text,
    cores: bench.cores.text,
    latchkey: versions(OURS, new URL('../../', import.meta.url)),
    contenders: versions(PEERS, new URL('../', import.meta.url)),
  };
}

function versions(names, root) {
  return Object.fromEntries(
    names.map((name) => {
      const file = new URL(`node_modules/${name}/package.json`, root);
      return [name, JSON.parse(readFileSync(file, 'utf8')).version];
    }),
  );
}
