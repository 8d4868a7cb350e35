import { ajax, connect, connectCanSession, DefineMap } from 'can';
import { API } from './api.js';

/** Only what goes to the API carries cookies: other servers allow no credentialed requests from other origins. */
const withCookies = (xhr) => {
  xhr.withCredentials = true;
};

export const Session = DefineMap.extend('Session', { seal: false }, {});
Session.connection = [
  connect.base,
  connect.dataUrl,
  connect.constructor,
  connect.canMap,
  connectCanSession,
].reduce((connection, behavior) => behavior(connection), {
  Map: Session,
  url: {
    resource: `${API}/session`,
    getData: `${API}/session`,
    // A function, because the default would write the whole session into the URL of the DELETE.
    destroyData: () => ajax({ type: 'DELETE', url: `${API}/session`, beforeSend: withCookies }),
    beforeSend: withCookies,
  },
});
Session.connection.init();

/** Other calls, by the same rule. */
export const rename = (name) =>
  ajax({ type: 'PATCH', url: `${API}/auth/me`, data: { name }, beforeSend: withCookies });
