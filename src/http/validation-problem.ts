import { Problem, type ProblemIssue } from './problem.js';

/** An issue as a Standard Schema reports it. */
interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

const UNKNOWN_FIELD: ProblemIssue = { path: '', message: 'unknown field' };

/**
 * The refusal of a body, query or path that does not fit its schema. Says what is expected, never what came: a key that the
 * schema does not know is masked, for zod names it. (A schema that takes free keys, a record, would show them in the
 * paths of its values: there is none in this API.)
 */
export function validationProblem(issues: readonly SchemaIssue[]): Problem {
  const known = issues.filter((issue) => codeOf(issue) !== 'unrecognized_keys').map(describe);
  return new Problem('validation_failed', {
    errors: known.length === issues.length ? known : [UNKNOWN_FIELD, ...known],
  });
}

function describe(issue: SchemaIssue): ProblemIssue {
  const code = codeOf(issue);
  let path = issue.path ?? [];
  // The last step of the path to a bad key is that key.
  if (code === 'invalid_key') path = path.slice(0, -1);
  return {
    path: path.map(segmentName).join('.'),
    message: isMissing(issue, code) ? 'required' : issue.message,
  };
}

function segmentName(segment: PropertyKey | { readonly key: PropertyKey }): string {
  return String(typeof segment === 'object' ? segment.key : segment);
}

function isMissing(issue: SchemaIssue, code: unknown): boolean {
  return code === 'invalid_type' && issue.message.endsWith('received undefined');
}

/** zod's kind of issue; other schema libraries have none. */
function codeOf(issue: SchemaIssue): unknown {
  return 'code' in issue ? issue.code : undefined;
}
