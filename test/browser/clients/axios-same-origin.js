import axios from 'axios';

// The cookie that the API sets for scripts, and the header that it reads: with these two names axios does the rest.
const api = axios.create({ xsrfCookieName: 'CSRF-TOKEN', xsrfHeaderName: 'X-CSRF-Token' });

export const logIn = async (fields) => (await api.post('/auth/login', fields)).data;
export const me = async () => (await api.get('/auth/me')).data;
export const rename = async (name) => (await api.patch('/auth/me', { name })).data;
export const logOut = async () => void (await api.post('/auth/logout'));
