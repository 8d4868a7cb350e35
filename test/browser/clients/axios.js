import axios from 'axios';
import { API } from './api.js';

const api = axios.create({ baseURL: API, withCredentials: true });

// A refusal as an exception that carries the problem document.
api.interceptors.response.use(undefined, (error) => {
  const problem = error.response?.data;
  return Promise.reject(problem?.code ? Object.assign(new Error(problem.title), { problem }) : error);
});

export const logIn = async (fields) => (await api.post('/auth/login', fields)).data;
export const me = async () => (await api.get('/auth/me')).data;
export const rename = async (name) => (await api.patch('/auth/me', { name })).data;
export const logOut = async () => void (await api.post('/auth/logout'));
