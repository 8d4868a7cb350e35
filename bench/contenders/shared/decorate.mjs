import 'reflect-metadata';

/**
 * What TypeScript makes of decorators, by hand, so that contenders need no compiler:
 * `parameters` are the types of the constructor's, `members` lists per method or property its decorators and, by `types`, the parameters' types.
 */
export function decorate(target, { decorators = [], parameters, members = {} }) {
  for (const [name, list] of Object.entries(members)) {
    const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name);
    for (const decorator of [...list].reverse()) decorator(target.prototype, name, descriptor);
    if (descriptor) Object.defineProperty(target.prototype, name, descriptor);
  }
  if (parameters) Reflect.defineMetadata('design:paramtypes', parameters, target);
  for (const decorator of [...decorators].reverse()) decorator(target);
  return target;
}

/** A decorator of the method's parameter at `index`. */
export function parameter(index, decorator) {
  return (prototype, name) => decorator(prototype, name, index);
}
