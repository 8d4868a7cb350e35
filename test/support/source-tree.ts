import { readFileSync, readdirSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import ts from 'typescript';

/** What one source file takes from where. */
export interface Import {
  /** The importing file, relative to the root of the tree: `src/auth/auth.guard.ts`. */
  readonly from: string;
  /** The imported file in the same notation, or the name of a package. */
  readonly to: string;
  /** Nothing of it is left when the program runs. */
  readonly typeOnly: boolean;
}

/** A file as the architecture test sees it. */
export interface Source {
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly hasDefaultExport: boolean;
  readonly hasStarExport: boolean;
}

/** All TypeScript files below a folder of `root`. */
export function readSources(root: string, folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'),
    )
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

/** Reads one file by the compiler's own parser, so that comments and strings deceive nobody. */
export function parseSource(path: string, text: string): Source {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  const imports: Import[] = [];
  let hasDefaultExport = false;
  let hasStarExport = false;
  for (const statement of file.statements) {
    hasDefaultExport ||= isDefaultExport(statement);
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier) {
      hasStarExport ||= statement.exportClause === undefined;
      imports.push(importOf(path, statement.moduleSpecifier, statement.isTypeOnly));
    }
    if (ts.isImportDeclaration(statement)) {
      imports.push(importOf(path, statement.moduleSpecifier, isTypeOnly(statement)));
    }
  }
  imports.push(...dynamicImports(path, file));
  return { path, text, lines: text.split('\n').length - 1, imports, hasDefaultExport, hasStarExport };
}

/** `import('...')` anywhere in the code. */
function dynamicImports(path: string, node: ts.Node): Import[] {
  const found: Import[] = [];
  ts.forEachChild(node, (child) => {
    if (ts.isCallExpression(child) && child.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = child.arguments;
      if (specifier) found.push(importOf(path, specifier, false));
    }
    found.push(...dynamicImports(path, child));
  });
  return found.filter(({ to }) => to !== '');
}

function importOf(path: string, specifier: ts.Expression, typeOnly: boolean): Import {
  const name = ts.isStringLiteral(specifier) ? specifier.text : '';
  const to = name.startsWith('.') ? posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts') : name;
  return { from: path, to, typeOnly };
}

function isTypeOnly({ importClause }: ts.ImportDeclaration): boolean {
  if (importClause === undefined) return false;
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = importClause;
  return (
    name === undefined &&
    namedBindings !== undefined &&
    ts.isNamedImports(namedBindings) &&
    namedBindings.elements.length > 0 &&
    namedBindings.elements.every((element) => element.isTypeOnly)
  );
}

function isDefaultExport(statement: ts.Statement): boolean {
  if (ts.isExportAssignment(statement)) return true;
  if (ts.isExportDeclaration(statement)) {
    const { exportClause } = statement;
    return (
      exportClause !== undefined &&
      ts.isNamedExports(exportClause) &&
      exportClause.elements.some(({ name }) => name.text === 'default')
    );
  }
  return (
    ts.canHaveModifiers(statement) &&
    (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)
  );
}
