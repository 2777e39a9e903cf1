/** Which pictures of people are shown. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pictureOf } from '../page/people/avatar.js';

const BASE = 'https://chat.example/app/';
const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';

/** The beginning of a file, as a `data:` address. */
const address = (type, ...bytes) =>
  `data:image/${type};base64,${Buffer.from(bytes.flatMap((one) => (typeof one === 'string' ? [...Buffer.from(one, 'latin1')] : one))).toString('base64')}`;
const big = (value) => [value >> 8, value & 255];
const little = (value) => [value & 255, value >> 8];

const png = (edge) =>
  address('png', '\x89PNG\r\n\x1a\n', [0, 0, 0, 13], 'IHDR', [0, 0], big(edge), [0, 0], big(edge));
/** With a picture in it that may be larger than its screen, which browsers make as large. */
const framed = (screen, edge) =>
  address(
    'gif',
    'GIF89a',
    little(screen),
    little(screen),
    [0x80, 0, 0, 0, 0, 0, 255, 255, 255],
    [0x21, 0xf9, 4, 0, 0, 0, 0, 0],
    [0x2c, 0, 0, 0, 0],
    little(edge),
    little(edge),
    [0, 2, 2, 0x44, 1, 0, 0x3b],
  );
const gif = (edge) => framed(edge, 1);
const picture = (edge) => framed(1, edge);
const jpeg = (edge) =>
  address(
    'jpeg',
    '\xff\xd8\xff\xe0',
    big(4),
    [0, 0],
    '\xff\xc4',
    big(3),
    [0],
    '\xff\xc0',
    big(11),
    [8],
    big(edge),
    big(edge),
  );
const webp = (edge) =>
  address(
    'webp',
    'RIFF',
    [0, 0, 0, 0],
    'WEBPVP8 ',
    [0, 0, 0, 0],
    [0, 0, 0, 0x9d, 1, 0x2a],
    little(edge),
    little(edge),
  );
const lossless = (edge) => {
  const bits = (edge - 1) | ((edge - 1) << 14);
  return address(
    'webp',
    'RIFF',
    [0, 0, 0, 0],
    'WEBPVP8L',
    [0, 0, 0, 0],
    [0x2f],
    little(bits & 0xffff),
    little(bits >>> 16),
  );
};
/** In the extended format: with a colour profile, or, with the flag 0x02, moving. */
const extended = (edge, flags = 0x20) =>
  address(
    'webp',
    'RIFF',
    [0, 0, 0, 0],
    'WEBPVP8X',
    [10, 0, 0, 0],
    [flags, 0, 0, 0],
    [...little(edge - 1), 0],
    [...little(edge - 1), 0],
  );

test('small pictures in the profile are shown', () => {
  assert.equal(pictureOf(PIXEL, BASE), PIXEL);
  for (const made of [png, gif, picture, jpeg, webp, lossless, extended]) {
    assert.equal(pictureOf(made(512), BASE), made(512), made.name);
    assert.equal(pictureOf(made(513), BASE), null, made.name);
    assert.equal(pictureOf(made(16_383), BASE), null, made.name);
  }
});

test('what is no picture of pixels, or ends too early, is not shown', () => {
  const rows = [
    'data:image/svg+xml,%3Csvg/%3E',
    `data:image/svg+xml;base64,${Buffer.from('<svg/>').toString('base64')}`,
    'data:text/html;base64,PGI+',
    'data:image/png,x',
    'data:image/png;base64,A',
    'data:image/png;base64,',
    png(1).slice(0, 40),
    jpeg(1).slice(0, 35),
    gif(1).slice(0, 40),
    // A marker without a length: what seems to be skipped would be drawn.
    address('jpeg', '\xff\xd8\xff\x01', big(4), [0, 0], '\xff\xc0', big(11), [8], big(1), big(1)),
    address('jpeg', '\xff\xd8\xff\xd0', big(4), [0, 0], '\xff\xc0', big(11), [8], big(1), big(1)),
    address('webp', 'RIFF', [0, 0, 0, 0], 'WEBPVP8X', [0, 0, 0, 0]),
    extended(16, 0x02),
    address('jpeg', '\xff\xd8', 'abc'),
    'javascript:alert(1)',
    '',
    null,
    5,
    { toString: () => PIXEL },
  ];
  for (const row of rows) assert.equal(pictureOf(row, BASE), null, String(row));
});

test('of addresses only files of the own host are shown, and never requests', () => {
  for (const path of ['/a/bob.png', 'bob.JPG', 'https://chat.example/x.webp']) {
    assert.equal(pictureOf(path, BASE), new URL(path, BASE).href);
  }
  const rows = [
    'https://elsewhere.example/x.png',
    '//elsewhere.example/x.png',
    'http://chat.example/x.png',
    '/v1/events?user=bob&rooms=lobby',
    '/v1/events?x=.png',
    '/logout',
    '/logout#.png',
    '',
  ];
  for (const row of rows) assert.equal(pictureOf(row, BASE), null, row);
});
