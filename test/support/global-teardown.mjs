/** Drops what the run has made and stops its server. (When the setup fails jest does not come here: it cleans up itself.) */
export default async function tearDown() {
  await globalThis.latchkeyTestServer?.stop();
}
