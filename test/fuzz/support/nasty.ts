import fc from 'fast-check';

/** The words of a text. */
export function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** Texts that have broken parsers, databases and people before. `⟨x:900⟩` is 900 times the letter (input.ts). */
const TEXTS = [
  ...['', ' ', '\0', 'a\0b', '\t', '\v\f', '\r', '\u0085', '\u200b', '\ufeff', '\ufffe', '\uffff', '\u202e'],
  ...[
    '\ud800',
    '\udc00',
    '\ud800\ud800',
    'a\udfff',
    'e\u0301',
    "' OR 1=1 --",
    '"; DROP TABLE users; --',
    '\\',
  ],
  ...words(
    '😀 👨‍👩‍👧‍👦 İ ß ﬀ K ½ Z͑ͫ̓ͪ̂ͫ̽͏ （） __proto__ constructor prototype toString hasOwnProperty then length undefined null NaN',
  ),
  ...words(
    "\\' $1 % %% %_ %s%n ${7*7} {{7*7}} <script> ../../etc/passwd ..\\.. /dev/null file:///etc/passwd C:\\ ~ . .. *",
  ),
  ...words(
    '? # & = ; , 0 -1 1e309 99999999999999999999 0x10 1_000 01 +1 １ true [] {} "" $argon2id$v=19$m=19456,t=2,p=1$',
  ),
  ...words(
    'lkr_ s: s%3A s%3Aa.b a.b.c eyJhbGciOiJub25lIn0.e30. Bearer ⟨session⟩ ⟨user⟩ ⟨stranger⟩ ⟨access⟩ ⟨refresh⟩',
  ),
  ...words(
    '⟨csrf⟩ ⟨sid⟩ ⟨x:64⟩ ⟨x:255⟩ ⟨x:256⟩ ⟨x:513⟩ ⟨x:2100⟩ ⟨x:9000⟩ ⟨x:15000⟩ ⟨ﷺ:900⟩ ⟨😀:3000⟩ ⟨.:3000⟩ ⟨%:700⟩',
  ),
];

/** Any text: a known trick, or noise. */
export const nastyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 24 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(...TEXTS), fc.constantFrom(...TEXTS)).map((two) => two.join('')),
  },
);

/** JSON values as text, since no JavaScript value can be all of these; and what only looks like one. */
const JSON_TEXTS = [
  ...words(
    'null true false 0 -0 1 -1 0.1 1e308 1e999 -1e999 1e-999 9007199254740993 2147483648 [] {} [[]] [null] [{}] ""',
  ),
  ...words(
    '123456789012345678901234567890 "\\u0000" "\\ud800" "\\ud83d\\ude00" "\\uFFFF" "\\/" {"$gt":""} {"then":1}',
  ),
  ...words(
    '{"length":-1} {"toString":null} {"valueOf":1} {"__proto__":{"admin":true}} {"\\u005f_proto__":1} ["__proto__"]',
  ),
  ...words(
    '{"constructor":{"prototype":{"a":1}}} "⟨x:15000⟩" "⟨x:130⟩" {"⟨x:9000⟩":1} "⟨refresh⟩" "⟨access⟩"',
  ),
  ...words('NaN Infinity undefined 0x1 01 +1 .5 1. \'a\' "\\x41" [1,] {"a":1,} // "a'),
  ...[
    '"\t"',
    '"\0"',
    '1⟨0:400⟩',
    '[⟨1,:101⟩1]',
    '[⟨1,:7000⟩1]',
    '⟨[:31⟩⟨]:31⟩',
    '⟨[:33⟩⟨]:33⟩',
    '⟨[:7000⟩⟨]:7000⟩',
  ],
  ...['⟨[:16000⟩', '⟨{"a"::40⟩1⟨}:40⟩'],
];

/** The text of one JSON value, or now and then of what only looks like one. */
export const nastyJson: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...JSON_TEXTS) },
  { weight: 4, arbitrary: nastyText.map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.double().map((number) => JSON.stringify(number)) },
);

const ENCODED = [
  ...words(
    '%00 % %2 %zz %ff %c0%ae %c0%af %ed%a0%80 %f4%90%80%80 %u0041 %2e%2e %2f %5c %0d%0aSet-Cookie:a=b %0a %20 +',
  ),
  ...words('%2500 ..;/ ;a=b %3f %23 ⟨%41:600⟩ ⟨%00:9⟩ ⟨a:1900⟩'),
];

/** A text for a target or a form: percent-encoded, badly encoded, or as it is. */
export const nastyEncoded: fc.Arbitrary<string> = fc.oneof(
  nastyText.map((text) => encodeURIComponent(wellFormed(text))),
  nastyText.map((text) => encodeURIComponent(encodeURIComponent(wellFormed(text)))),
  nastyText.map((text) => text.replaceAll(/[\s#]/g, '+')),
  fc.constantFrom(...ENCODED),
  fc
    .uint8Array({ maxLength: 12 })
    .map((bytes) => [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')),
);

/** Without lone surrogates, which cannot be percent-encoded. */
export function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
