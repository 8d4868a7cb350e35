// A service of your own that trusts Latchkey's access tokens. It knows three public facts (environment variables) and one library:
//   npm install jose
//   ISSUER=https://id.example.com AUDIENCE=https://id.example.com node verify-with-jose.mjs
import { createServer } from 'node:http';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const {
  ISSUER,
  AUDIENCE = ISSUER,
  JWKS_URL = `${ISSUER}/.well-known/jwks.json`,
  PORT = '4000',
} = process.env;

// Fetched when first needed, kept for ten minutes, and fetched again for a key that is not in it: keys may rotate as they like.
const keys = createRemoteJWKSet(new URL(JWKS_URL));

/** Who sent the request. Throws an error of jose when nobody did that we know of. */
async function callerOf({ headers }) {
  const [, token = ''] = /^Bearer (\S+)$/i.exec(headers.authorization ?? '') ?? [];
  const { payload } = await jwtVerify(token, keys, {
    issuer: ISSUER,
    audience: AUDIENCE,
    typ: 'at+jwt', // an access token, and no other kind of JWT that the same keys may have signed
    algorithms: ['ES256', 'RS256', 'PS256'],
    clockTolerance: 5,
    requiredClaims: ['sub', 'sid', 'exp', 'roles'],
  });
  return payload;
}

const server = createServer(async (request, response) => {
  try {
    const { sub, roles } = await callerOf(request);
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ hello: sub, roles }));
  } catch (error) {
    // Keys that cannot be fetched are an outage of ours, not a mistake of the client's.
    const outage = !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout;
    response.writeHead(outage ? 503 : 401, outage ? {} : { 'www-authenticate': 'Bearer' }).end();
  }
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
