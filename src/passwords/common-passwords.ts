let loading: Promise<ReadonlySet<string>> | undefined;

/**
 * The passwords that are guessed first: 49,233 from breaches (`@zxcvbn-ts/language-common`), all of them ASCII in lower
 * case. The first call loads it, 30 to 50 ms and 4 MB; all apps in the process share it.
 */
export function commonPasswords(): Promise<ReadonlySet<string>> {
  loading ??= import('@zxcvbn-ts/language-common').then(
    ({ dictionary }) => new Set(dictionary['passwords-common']),
  );
  return loading;
}
