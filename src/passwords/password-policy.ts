import { domainToUnicode } from 'node:url';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { commonPasswords } from './common-passwords.js';
import { isRuns, repeatedUnits } from './password-patterns.js';
import {
  codePointsOf,
  normalisePassword,
  PASSWORD_MAX_LENGTH,
  passwordShapeProblem,
} from './password-shape.js';

const PRODUCT_NAME = 'latchkey';
/** Shorter names are in too many honest passwords to be looked for inside a repetition. */
const SHORTEST_NAME = 3;
/** ASCII only, as the lists of passwords are. */
const ONE_OR_TWO_KEYS = /^[\x20-\x7e]{1,2}$/;

/**
 * Which passwords may be chosen (contract 8, NIST SP 800-63B-4 3.1.1.2): long enough, not among those that are guessed
 * first, not the user's own email or our name. No composition rules. Asked at signup, at a password change and by the command line; never at login.
 */
@Injectable()
export class PasswordPolicy implements OnModuleInit {
  /** Code points in NFC, at least. */
  readonly minLength: number;
  /** Code points in NFC, at most. */
  readonly maxLength = PASSWORD_MAX_LENGTH;

  constructor(@Inject(AppConfig) config: Pick<AppConfig, 'passwords'>) {
    this.minLength = config.passwords.minLength;
  }

  /** Loads the list at start, so that no request waits for it. */
  async onModuleInit(): Promise<void> {
    await commonPasswords();
  }

  /**
   * What is wrong with a new password, in sentences for the user that go on from the name of the field; empty when it is fine.
   *
   * @param user.email the canonical address of the one who chooses
   */
  async problems(password: string, user: { readonly email: string }): Promise<readonly string[]> {
    const shapeProblem = passwordShapeProblem(password);
    if (shapeProblem !== null) return [shapeProblem];
    if (codePointsOf(normalisePassword(password)) < this.minLength) {
      return [`must have at least ${this.minLength} characters`];
    }
    const folded = password.normalize('NFKC').toLowerCase();
    // Said once, or again and again to fill the length.
    const said = [folded, ...repeatedUnits(folded)];
    const names = namesIn(user.email);
    if (said.some((word) => word.length >= SHORTEST_NAME && names.includes(word))) {
      return ['must not be your email address or the part before the @'];
    }
    if (said.includes(PRODUCT_NAME)) return ['must not be the name of this product'];
    const common = await commonPasswords();
    if (isRuns(folded) || said.some((word) => common.has(word) || ONE_OR_TWO_KEYS.test(word))) {
      return ['is one of the passwords that are guessed first; choose a less common one'];
    }
    return [];
  }
}

/** The address, its spelling as an IDN, and its local part. */
function namesIn(email: string): readonly string[] {
  const [local = '', domain = ''] = email.toLowerCase().split('@');
  return [`${local}@${domain}`, `${local}@${domainToUnicode(domain)}`, local];
}
