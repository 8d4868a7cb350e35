import { ajax, connect, connectCanSession, DefineMap } from 'can';
import { API } from './api.js';

const withCookies = (xhr) => {
  xhr.withCredentials = true; // for the refresh cookie
};

const withToken = (xhr) => {
  withCookies(xhr);
  xhr.setRequestHeader('Authorization', `Bearer ${Session.current.token}`);
};

/** After a reload: the refresh cookie brings a token, the token the session. */
async function restore() {
  const { accessToken } = await ajax({ type: 'POST', url: `${API}/auth/refresh`, beforeSend: withCookies });
  const beforeSend = (xhr) => xhr.setRequestHeader('Authorization', `Bearer ${accessToken}`);
  return { ...(await ajax({ url: `${API}/session`, beforeSend })), token: accessToken };
}

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
    getData: restore,
    // A function, because the default would write the whole session, with its token, into the URL of the DELETE.
    destroyData: () => ajax({ type: 'DELETE', url: `${API}/session`, beforeSend: withToken }),
    beforeSend: withCookies,
  },
});
Session.connection.init();

/** Other calls wait until it is known who is signed in. */
export const rename = (name) =>
  ajax({
    type: 'PATCH',
    url: `${API}/auth/me`,
    data: { name },
    beforeSend: async (xhr) => {
      await Session.currentPromise;
      withToken(xhr);
    },
  });
