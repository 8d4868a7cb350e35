import { RequestMethod } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { ROLES } from '../../src/principal/decorators.js';

/** The handlers that ask for a role, by what the decorators say. */
export function rolesOf(modules: ModulesContainer): { method: string; url: string; roles: string[] }[] {
  const controllers = [...modules.values()].flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ metatype }) => {
    if (typeof metatype !== 'function') return [];
    const base = String(Reflect.getMetadata('path', metatype));
    const prototype = metatype.prototype as Record<string, object>;
    return Object.getOwnPropertyNames(prototype).flatMap((name) => {
      const handler = prototype[name]!;
      const verb: unknown = Reflect.getMetadata('method', handler);
      const roles: string[] | undefined =
        Reflect.getMetadata(ROLES, handler) ?? Reflect.getMetadata(ROLES, metatype);
      if (typeof verb !== 'number' || roles === undefined) return [];
      const path = `/${base}/${String(Reflect.getMetadata('path', handler))}`;
      const url = path.replaceAll(/\/+/g, '/').replace(/(?<=.)\/$/, '');
      return [{ method: RequestMethod[verb] ?? '', url, roles }];
    });
  });
}
