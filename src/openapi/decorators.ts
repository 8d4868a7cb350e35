import type * as Swagger from '@nestjs/swagger';

type Name =
  | 'ApiBody'
  | 'ApiConsumes'
  | 'ApiExcludeController'
  | 'ApiOperation'
  | 'ApiParam'
  | 'ApiQuery'
  | 'ApiResponse'
  | 'ApiSecurity'
  | 'ApiTags';

/** What was declared and not yet handed over, in the order of declaration. */
const declared: ((swagger: typeof Swagger) => void)[] = [];

/**
 * The decorator of that name of `@nestjs/swagger`, which keeps what it was given until the document is wanted: to load the package
 * takes a quarter of the start, and production serves no document (`DOCS`).
 */
function deferred<N extends Name>(name: N) {
  return (...parameters: Parameters<(typeof Swagger)[N]>): ClassDecorator & MethodDecorator =>
    (...target: unknown[]): void => {
      declared.push((swagger) => {
        const decorator: unknown = Reflect.apply(swagger[name], undefined, parameters);
        if (typeof decorator === 'function') Reflect.apply(decorator, undefined, target);
      });
    };
}

export const ApiBody = deferred('ApiBody');
export const ApiConsumes = deferred('ApiConsumes');
export const ApiExcludeController = deferred('ApiExcludeController');
export const ApiOperation = deferred('ApiOperation');
export const ApiParam = deferred('ApiParam');
export const ApiQuery = deferred('ApiQuery');
export const ApiResponse = deferred('ApiResponse');
export const ApiSecurity = deferred('ApiSecurity');
export const ApiTags = deferred('ApiTags');

/** Hands what was declared over to the package, once. Before a document is made. */
export function declareTo(swagger: typeof Swagger): void {
  for (const declare of declared.splice(0)) declare(swagger);
}
