import { freePort } from '../../support/free-port.mjs';
import { Api } from './api.mjs';
import { startFront } from './front.mjs';
import { startPages } from './pages.mjs';

/**
 * Where browser apps and the API may stand to each other. A site is scheme and registrable domain: ports and subdomains do not
 * count, so that all but the last are one site (and `.test` is a public suffix, as `.com` is).
 */
export const PLACES = {
  'two ports of localhost': { app: 'localhost', api: 'localhost' },
  'two hosts of one domain': { app: 'app.example.test', api: 'api.example.test' },
  'two hosts of one domain on https': { secure: true, app: 'app.example.test', api: 'api.example.test' },
  'two domains on https with SameSite=None': {
    secure: true,
    app: 'app.test',
    api: 'api.test',
    env: { COOKIE_SAMESITE: 'none' },
  },
};

/** An API and the web server of browser apps, on origins of their own. */
export class World {
  #closers = [];

  /**
   * @param {object} options
   * @param {boolean} [options.secure] https, through a front that ends TLS
   * @param {string} options.app host of the browser app
   * @param {string} options.api host of the API; the same on https: one origin, with the app below `/app`
   * @param {string} [options.mode] AUTH_MODE
   * @param {string[]} [options.listed] hosts of further browser apps that may call the API
   * @param {Record<string, string>} [options.env] more settings
   */
  static async open(options) {
    const world = new World();
    try {
      await world.#open(options);
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  async #open({ secure = false, app, api, mode = 'session', listed = [], env = {} }) {
    const pages = await startPages(() => this.api);
    this.#closers.push(() => close(pages));
    const [apiPort, pagesPort] = [await freePort(), pages.address().port];
    const inFront = secure || (app === api && app !== 'localhost');
    if (inFront) {
      const front = await startFront({
        secure,
        route: ({ headers, url }) =>
          headers.host.startsWith(`${api}:`) && !url.startsWith('/app/') ? apiPort : pagesPort,
      });
      this.#closers.push(() => close(front));
      this.origin = (host) => `${secure ? 'https' : 'http'}://${host}:${front.address().port}`;
      this.api = this.origin(api);
    } else {
      /** The origin of pages on a host. */
      this.origin = (host) => `http://${host}:${pagesPort}`;
      /** The origin of the API. */
      this.api = `http://${api}:${apiPort}`;
    }
    /** The origin of the browser app. */
    this.app = this.origin(app);
    const strangers = await startPages(() => this.api);
    this.#closers.push(() => close(strangers));
    /** The origin of pages that nobody has listed. On the app's own host it has another port. */
    this.stranger = (host) =>
      host === app ? `http://${host}:${strangers.address().port}` : this.origin(host);
    this.server = new Api(apiPort, {
      AUTH_MODE: mode,
      PUBLIC_ORIGIN: this.api,
      ...(this.app !== this.api && {
        CORS_ORIGINS: [app, ...listed].map((host) => this.origin(host)).join(),
      }),
      ...(inFront && { TRUST_PROXY: '1' }),
      ...env,
    });
    await this.server.start();
    this.#closers.push(() => this.server.stop());
  }

  async close() {
    for (const closer of this.#closers.reverse()) await closer();
    this.#closers = [];
  }
}

function close(server) {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
}
