import { Controller, Get, Header } from '@nestjs/common';
import { z } from 'zod';
import { Answers } from '../http/answers.js';
import { ApiTags } from '../openapi/decorators.js';
import { Public } from '../principal/decorators.js';
import { KeyRing } from './key-ring.js';

/** A JSON Web Key Set (RFC 7517) of public keys alone. */
const JwkSet = z
  .object({
    keys: z.array(
      z.object({
        kty: z.string(),
        kid: z.string(),
        use: z.literal('sig'),
        alg: z.string(),
        crv: z.string().optional(),
        x: z.string().optional(),
        y: z.string().optional(),
        n: z.string().optional(),
        e: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'JwkSet' });

/** The public keys by which any service verifies our tokens. Computed from the private keys, never read from a column. */
@ApiTags('keys')
@Controller()
export class JwksController {
  constructor(private readonly keys: KeyRing) {}

  @Get('.well-known/jwks.json')
  @Public()
  @Header('cache-control', 'public, max-age=300')
  @Answers({ 200: JwkSet })
  jwks() {
    return {
      keys: this.keys.published().map(({ id, algorithm, publicKey }) => {
        const { kty, crv, x, y, n, e } = publicKey.export({ format: 'jwk' });
        return { kty, kid: id, use: 'sig', alg: algorithm, ...(crv ? { crv, x, y } : { n, e }) };
      }),
    };
  }
}
