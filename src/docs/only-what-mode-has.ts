import type { OpenAPIObject } from '@nestjs/swagger';

/**
 * The key by which a schema says which strategies it belongs to: `z.string().meta({ 'x-strategies': ['jwt'] })`. `bearer` stands for
 * every strategy whose credential the client holds itself.
 */
const STRATEGIES = 'x-strategies';

/** The document without the fields of strategies that are not enabled, and without the marks themselves. */
export function onlyWhatModeHas(document: OpenAPIObject, enabled: readonly string[]): OpenAPIObject {
  return prune(document, enabled) as OpenAPIObject;
}

function prune(node: unknown, enabled: readonly string[]): unknown {
  if (Array.isArray(node)) return node.map((item) => prune(item, enabled));
  if (typeof node !== 'object' || node === null) return node;
  const kept = Object.entries(node).filter(
    ([key, value]) => key !== STRATEGIES && !isForeign(value, enabled),
  );
  return Object.fromEntries(kept.map(([key, value]) => [key, prune(value, enabled)]));
}

function isForeign(value: unknown, enabled: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null || !(STRATEGIES in value)) return false;
  const strategies = value[STRATEGIES];
  return (
    Array.isArray(strategies) && !strategies.some((name: unknown) => enabled.some((other) => other === name))
  );
}
