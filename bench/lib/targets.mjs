import { ratioOfPairs } from './statistics.mjs';
import { timesYardstick } from './yardstick.mjs';

const MODES = ['session', 'jwt', 'both'];
const times = (ratio) => `${ratio.toFixed(2)} x`;
const percent = (share) => `${(share * 100).toFixed(1)} %`;

/** GET /me of two contenders, by what each is beside the yardstick; NaN where one was not measured. `which`: one credential or many. */
function meRatio({ me }, ours, theirs, which = 'one') {
  return timesYardstick(me, ours, which) / timesYardstick(me, theirs);
}

/** The worst mode against one contender, and what each mode got. */
function worstMode(results, theirs, which) {
  const ratios = MODES.map((mode) => ({ mode, ratio: meRatio(results, `latchkey-${mode}`, theirs, which) }));
  const measured = ratios.filter(({ ratio }) => !Number.isNaN(ratio));
  return {
    value: Math.min(...measured.map(({ ratio }) => ratio)),
    text: measured.map(({ mode, ratio }) => `${mode} ${times(ratio)}`).join(', '),
    measured: measured.length > 0,
  };
}

const atLeast = (must, aim) => ({ must, aim, meets: (value, limit) => value >= limit, sign: '>=' });
const atMost = (must, aim) => ({ must, aim, meets: (value, limit) => value <= limit, sign: '<=' });

function me(name, theirs, limits, which) {
  return {
    name,
    ...limits,
    unit: times,
    got: (results) => {
      const { value, text, measured } = worstMode(results, theirs, which);
      return measured ? { value, text } : null;
    },
  };
}

/** What was promised (must), what was hoped for (aim), and how to read what was got out of the results. */
export const TARGETS = [
  me('`GET /auth/me`, cache on, against bare Nest on Fastify', 'nest-fastify', atLeast(0.55, 0.7)),
  me('the same with many credentials', 'nest-fastify', atLeast(0.55, 0.7), 'many'),
  me('against Nest on Express + express-session + pg + TypeORM', 'nest-express-session', atLeast(10, 18)),
  me('against better-auth, session', 'better-auth-session', atLeast(12, 20)),
  me('against better-auth, cookie cache', 'better-auth-cookie-cache', atLeast(8, 14)),
  {
    name: 'cache bypassed, session, against Nest on Express + express-session',
    ...atLeast(5, 7),
    unit: times,
    got: (results) => {
      const value = meRatio(results, 'latchkey-session-bypassed', 'nest-express-session');
      return Number.isNaN(value) ? null : { value, text: times(value) };
    },
  },
  {
    name: 'SQL per cached `GET /auth/me`',
    // What is asked by the clock does not cancel out to the last statement.
    ...atMost(0.05, 0.05),
    unit: (limit) => limit.toFixed(0),
    got: ({ sql }) => {
      const found = MODES.flatMap((mode) => sql?.[`latchkey-${mode}`]?.perRequest ?? []);
      if (found.length === 0) return null;
      const value = Math.max(...found);
      return { value, text: value.toFixed(2) };
    },
  },
  {
    name: 'login against the argon2 ceiling',
    ...atLeast(0.85, 0.95),
    unit: (limit) => limit.toFixed(2),
    got: ({ login }) => {
      const ratios = MODES.flatMap((mode) => {
        const measured = login?.contenders?.[`latchkey-${mode}`];
        if (!measured) return [];
        return [{ mode, ratio: ratioOfPairs(measured.runs, measured.beside) }];
      });
      if (ratios.length === 0) return null;
      return {
        value: Math.min(...ratios.map(({ ratio }) => ratio)),
        text: ratios.map(({ mode, ratio }) => `${mode} ${ratio.toFixed(3)}`).join(', '),
      };
    },
  },
  {
    name: '`GET /auth/me` p99 beside 32 parallel logins, against calm',
    ...atMost(2, 1.5),
    unit: times,
    got: ({ storm }) => {
      const ratios = MODES.flatMap((mode) => {
        // The load of all other measurements: 32 connections that send as soon as they are answered.
        const saturated = storm?.[`latchkey-${mode}`]?.saturated;
        return saturated ? [{ mode, ratio: p99Ratio(saturated) }] : [];
      });
      if (ratios.length === 0) return null;
      return {
        value: Math.max(...ratios.map(({ ratio }) => ratio)),
        text: ratios.map(({ mode, ratio }) => `${mode} ${times(ratio)}`).join(', '),
      };
    },
  },
  {
    name: 'memory growth in that storm',
    ...atMost(60, 45),
    unit: (limit) => `${limit} MiB`,
    got: ({ storm }) => {
      const grown = MODES.flatMap((mode) => {
        const memory = storm?.[`latchkey-${mode}`]?.memory;
        return memory?.peak ? [{ mode, growth: memory.peak - memory.before }] : [];
      });
      if (grown.length === 0) return null;
      return {
        value: Math.max(...grown.map(({ growth }) => growth)),
        text: grown.map(({ mode, growth }) => `${mode} ${growth.toFixed(0)} MiB`).join(', '),
      };
    },
  },
  {
    name: 'many rows against few (cache bypassed)',
    ...atLeast(0.9, 0.97),
    unit: times,
    got: ({ rows }) => {
      const ratios = Object.entries(rows?.contenders ?? {}).flatMap(([id, { few, many }]) =>
        id.endsWith('bypassed') && few.length > 0 && many.length > 0
          ? [{ id, ratio: ratioOfPairs(many, few) }]
          : [],
      );
      if (ratios.length === 0) return null;
      return {
        value: Math.min(...ratios.map(({ ratio }) => ratio)),
        text: ratios.map(({ id, ratio }) => `${id.split('-')[1]} ${times(ratio)}`).join(', '),
      };
    },
  },
  {
    name: 'unknown against known email at login',
    ...atMost(0.1, 0.05),
    unit: (limit) => `within ${limit * 100} %`,
    got: ({ timing }) => {
      if (!timing?.known) return null;
      const value = Math.abs(timing.unknown / timing.known - 1);
      return {
        value,
        text: `${percent(value)} (${timing.unknown.toFixed(2)} against ${timing.known.toFixed(2)} ms)`,
      };
    },
  },
  {
    name: 'cold start to ready, against bare Nest on Fastify',
    ...atMost(2.5, 1.8),
    unit: times,
    got: ({ start }) => {
      const ratios = MODES.flatMap((mode) => {
        const runs = start?.[`latchkey-${mode}`];
        const bare = start?.['nest-fastify'];
        return runs && bare
          ? [{ mode, ratio: ratioOfPairs(runs, bare, ({ milliseconds }) => milliseconds) }]
          : [];
      });
      if (ratios.length === 0) return null;
      return {
        value: Math.max(...ratios.map(({ ratio }) => ratio)),
        text: ratios.map(({ mode, ratio }) => `${mode} ${times(ratio)}`).join(', '),
      };
    },
  },
  {
    name: 'an ending seen by another node, p99',
    ...atMost(250, 50),
    unit: (limit) => `${limit} ms`,
    got: ({ endings }) => {
      if (!endings?.byApi) return null;
      const { milliseconds, acceptedAfterOneSecond } = endings.byApi;
      const late = acceptedAfterOneSecond + endings.bySql.acceptedAfterOneSecond;
      return {
        value: late > 0 ? Infinity : milliseconds.p99,
        text: `${milliseconds.p99.toFixed(1)} ms; ${late === 0 ? 'none' : late} let in after 1 s`,
      };
    },
  },
];

/** Of the rounds' own ratios the middle one. */
export function p99Ratio({ calm, storm }) {
  return ratioOfPairs(storm, calm, ({ latency }) => latency.p99);
}
