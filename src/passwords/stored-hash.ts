/** The parameters that new hashes get: argon2id (RFC 9106) with OWASP's first choice of cost. 25 to 35 ms and 19 MiB each. */
export const HASH_PARAMETERS = {
  /** KiB of memory. */
  memoryCost: 19_456,
  /** Passes over it. */
  timeCost: 2,
  /** Lanes, each a thread; 1 keeps a hash on the one libuv thread that runs it. */
  parallelism: 1,
  /** Bytes of the tag. */
  hashLength: 32,
} as const;
/** Bytes of salt in a new hash. */
export const SALT_LENGTH = 16;

/** A stored hash that argon2 can compute. */
export interface StoredHash {
  readonly variant: string;
  readonly version: number;
  readonly memoryCost: number;
  readonly timeCost: number;
  readonly parallelism: number;
  readonly saltLength: number;
  readonly hashLength: number;
}

/** PHC string as every argon2 library writes it; unpadded base64. Imported hashes of any argon2 variant and cost fit. */
const PHC =
  /^\$(argon2(?:id|i|d))\$v=(16|19)\$m=([1-9]\d{0,6}),t=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;
/** KiB. A row that demands more would let one login take the process down. */
const MAX_MEMORY_COST = 1_048_576;

/** Reads a PHC string; null when it is not an argon2 hash, or not one that argon2 accepts, or out of all proportion. */
export function parseStoredHash(text: string): StoredHash | null {
  const [, variant = '', version, memory, time, lanes, salt = '', tag = ''] = PHC.exec(text) ?? [];
  const memoryCost = Number(memory);
  const parallelism = Number(lanes);
  if (variant === '' || memoryCost > MAX_MEMORY_COST || memoryCost < 8 * parallelism) return null;
  if (salt.length % 4 === 1 || tag.length % 4 === 1) return null; // no base64 ends there
  return {
    variant,
    version: Number(version),
    memoryCost,
    timeCost: Number(time),
    parallelism,
    saltLength: Math.floor((salt.length * 3) / 4),
    hashLength: Math.floor((tag.length * 3) / 4),
  };
}

/**
 * Whether a hash is weaker than new ones in any respect. A stronger one is left alone: else two versions of Latchkey, side by side
 * during a rollout, would rewrite each other's hashes at every login.
 */
export function isWeaker(hash: StoredHash): boolean {
  return (
    hash.variant !== 'argon2id' ||
    hash.version < 19 ||
    hash.memoryCost < HASH_PARAMETERS.memoryCost ||
    hash.timeCost < HASH_PARAMETERS.timeCost ||
    hash.saltLength < SALT_LENGTH ||
    hash.hashLength < HASH_PARAMETERS.hashLength
  );
}
