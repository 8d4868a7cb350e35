const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/** Whether a file operation failed with this code. Errors of another realm are no `instanceof Error`. */
export const isFileError = (error: unknown, code: string): boolean => codeOf(error) === code;

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'part of the path is a file, not a folder',
  EISDIR: 'it is a folder, not a file',
  EEXIST: 'a file is in the way',
};

/** A file error in an operator's words, with its code. */
export function fileErrorText(error: unknown): string {
  const code = codeOf(error);
  const words = typeof code === 'string' ? WORDS[code] : undefined;
  return words === undefined ? String(code ?? error) : `${words} (${String(code)})`;
}
