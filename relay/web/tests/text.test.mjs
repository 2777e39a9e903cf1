/** Texts that the page shows: links and mentions, notices, durations, the note above the field. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { JSDOM } from 'jsdom';

import { RoomState } from '../../../sdk/src/room/state.js';
import { composeNote } from '../page/compose/compose-note.js';
import { readMentions, textNodes } from '../page/messages/text.js';
import { calledIn } from '../page/people/called.js';
import { duration, noticeText, parseDuration } from '../page/words.js';

const NOW = 1_000_000;

globalThis.document = new JSDOM('').window.document;

/** An element with a text as the page shows it. */
function drawn(text, mentions = []) {
  const element = document.createElement('div');
  element.append(textNodes(text, { mentions, self: 'alice', nameOf: (user) => user }));
  return element;
}

/** A text as the page shows it, as HTML. */
function shown(text, mentions = []) {
  return drawn(text, mentions)
    .innerHTML.replaceAll(' target="_blank" rel="noopener noreferrer nofollow"', '')
    .replaceAll(' tabindex="-1"', '')
    .replaceAll(/ title="[^"]*"/g, '');
}

test('texts have bold, italic, code, fences, quotes, lists and links', () => {
  const rows = [
    ['plain', 'plain'],
    ['**a\\\nb** c', '<strong>a\\\nb</strong> c'],
    ['run \\\n  -p *x*', 'run \\\n  -p <em>x</em>'],
    ['**b** *i* _i_ ~~s~~', '<strong>b</strong> <em>i</em> <em>i</em> <s>s</s>'],
    ['`a*b*` snake_case_name 2 * 3 * 4', '<code>a*b*</code> snake_case_name 2 * 3 * 4'],
    [
      '```js\nlet a = "<b>";\n```',
      '<pre class="fence" data-language="js"><code>let a = "&lt;b&gt;";</code></pre>',
    ],
    ['> said\n\nanswer', '<blockquote>said</blockquote>answer'],
    ['- one\n- two', '<ul><li>one</li><li>two</li></ul>'],
    ['3. three\n4. four', '<ol start="3"><li>three</li><li>four</li></ol>'],
    ['[here](https://x.example/a)', '<a href="https://x.example/a">here</a>'],
    ['\\*not bold\\*', '*not bold*'],
    ['a `b`\nc\n\n\nd', 'a <code>b</code>\nc\n\n\nd'],
    // Nothing else of Markdown.
    ['# no heading *x*', '# no heading <em>x</em>'],
    ['![p](https://x.example/p.png)', '!<a href="https://x.example/p.png">p</a>'],
    ['    indented *x*', 'indented <em>x</em>'],
    ['*a* | b\n--|--', '<em>a</em> | b\n--|--'],
    ['*a* &amp; <b>', '<em>a</em> &amp;amp; &lt;b&gt;'],
  ];
  for (const [text, html] of rows) assert.equal(shown(text), html, text);
});

test('what would not be seen as Markdown is shown as it was written', () => {
  const rows = [
    '>',
    '- ',
    '```',
    '[](https://x.example)',
    'see [](https://x.example)',
    '``` hello big world',
    '~~~ breaking news ~~~\nhello',
    `${'>'.repeat(20)} deep`,
    `${'- '.repeat(11)}deep`,
    '¯\\_(ツ)_/¯',
    '`a`\n  b\n    c',
  ];
  for (const text of rows) {
    assert.equal(drawn(text).textContent, text.replaceAll('`a`', 'a'), text);
  }
  assert.equal(shown('a\n\n``` no code\nb *c*'), 'a\n\n``` no code\nb *c*');
});

test('elements are nested to a bounded depth, and no letter is lost by it', () => {
  const text = `${'*a '.repeat(400)}x${' b*'.repeat(400)}`;
  const element = drawn(text);
  assert.equal(element.textContent, text.replaceAll('*', ''));
  const depth = (one) => 1 + Math.max(0, ...[...one.children].map(depth));
  assert.ok(depth(element) <= 22, depth(element));
});

test('a text without marks stays what it is, letter for letter', () => {
  for (const text of ['a\n\n\nb', '  two  spaces  ', 'x_1', '5 > 3', '$*&^#', '#1 <3']) {
    assert.equal(drawn(text).textContent, text);
  }
});

test('links end where people mean them to end', () => {
  const link = (text) => /<a href="([^"]*)">([^<]*)</.exec(shown(text))?.slice(1) ?? null;
  const rows = [
    ['see https://x.example/a.', 'https://x.example/a'],
    ['(https://x.example/a)', 'https://x.example/a'],
    ['https://x.example/wiki/A_(b)', 'https://x.example/wiki/A_(b)'],
    ['“https://x.example/a”', 'https://x.example/a'],
    ['https://x.example/a。', 'https://x.example/a'],
    ['https://x.example/a?b=c&d=[e]', 'https://x.example/a?b=c&d=[e]'],
    ['www.x.example/a, and', 'www.x.example/a'],
  ];
  for (const [text, expected] of rows) {
    assert.equal(link(text)?.[1].replaceAll('&amp;', '&'), expected, text);
  }
  assert.equal(link('www.x.example')[0], 'http://www.x.example');
  for (const text of [
    'readme.md',
    'x.example',
    'a@b.example',
    'ftp://x.example',
    'wwww.x',
    '//x.y',
  ]) {
    assert.equal(link(text), null, text);
  }
});

test('nothing that is written becomes a link to a script', () => {
  const rows = [
    'javascript:alert(1)',
    '[a](javascript:alert(1))',
    '[a](JaVaScRiPt:alert(1))',
    '[a](data:text/html;base64,PHNjcmlwdD4=)',
    '[a](vbscript:x)',
    '<https://x.example/" onclick="alert(1)>',
    '[a](//x.example)',
    '`<script>alert(1)</script>`',
    '**<img src=x onerror=alert(1)>**',
  ];
  for (const text of rows) {
    for (const one of drawn(text).querySelectorAll('*')) {
      assert.ok(['A', 'CODE', 'STRONG'].includes(one.tagName), text);
      for (const { name } of one.attributes) {
        assert.ok(['href', 'title', 'target', 'rel', 'tabindex'].includes(name), text);
      }
      if (one.tagName === 'A') assert.match(one.href, /^https?:/, text);
    }
  }
});

test('mentions are marked, also in bold, and not in links and code', () => {
  const bob = '<span class="mention">@bob</span>';
  const rows = [
    ['see @bob, and **@bob**', `see ${bob}, and <strong>${bob}</strong>`],
    [
      '`@bob` https://x.example/@bob',
      '<code>@bob</code> <a href="https://x.example/@bob">https://x.example/@bob</a>',
    ],
    ['@BOB', bob.replace('@bob', '@BOB')],
    ['a @_b_ c', 'a <span class="mention">@_b_</span> c'],
    ['*@__proto__*', '<em><span class="mention">@__proto__</span></em>'],
    ['a/@bob `', 'a/@bob `'],
    ['@eve <b>', '@eve &lt;b&gt;'],
    ['@alice', '<span class="mention" data-self="">@alice</span>'],
  ];
  for (const [text, html] of rows)
    assert.equal(shown(text, ['bob', 'alice', '_b_', '__proto__']), html, text);
});

test('whom a text mentions is what is marked in it', () => {
  const called = calledIn(['bob', 'Bob', 'alice', '_b_']);
  const rows = [
    ['@bob @Bob @BOB', ['bob', 'Bob']],
    ['*@alice* [@bob](https://x.example) `@Bob`', ['alice']],
    ['https://x.example/@bob/a www.x.example/@bob npm i @alice/x', ['alice']],
    ['@_b_', ['_b_']],
    [`${'> '.repeat(30)}@bob`, ['bob']],
  ];
  for (const [text, users] of rows) assert.deepEqual(readMentions(text, called).users, users, text);
  assert.match(
    readMentions('a @eve `@x`@y [@z](https://x.example)\nb', called).words,
    /^\na @eve x@y x\nb\n/,
  );
});

test('long texts made to be slow are read in time that grows with their length', () => {
  const makers = [
    (n) => 'http://a.example/ @bob '.repeat(n),
    (n) => '*'.repeat(n),
    (n) => '*a_ '.repeat(n),
    (n) => `${'*a '.repeat(n)}x${' b*'.repeat(n)}`,
    (n) => '*@bob '.repeat(n),
    (n) => '['.repeat(n),
    (n) => '> '.repeat(n),
    (n) => `${'`'.repeat(n)}a${'`'.repeat(n - 1)}`,
    (n) => '[a](b'.repeat(n),
    (n) => 'www.'.repeat(n),
    (n) => '- '.repeat(n),
  ];
  const timeOf = (text) => {
    const begun = performance.now();
    drawn(text, ['bob']);
    return performance.now() - begun;
  };
  for (const [at, maker] of makers.entries()) {
    const text = (bytes) => maker(Math.ceil(bytes / maker(1).length));
    const times = (bytes) => Math.min(...[1, 2, 3].map(() => timeOf(text(bytes))));
    const [short, long] = [times(4000), times(64_000)];
    // Sixteen times the length; a square would take 256 times as long.
    assert.ok(long < 80 * Math.max(short, 0.5), `${at}: ${short} ms, ${long} ms`);
  }
});

test('what keeps one from writing is said, the strongest reason first', () => {
  const room = new RoomState('lobby', { user: 'alice' });
  const words = () => composeNote(room, NOW).words;
  assert.equal(words(), '');
  room.setAbout({ slow: 30_000, frozen: 'no', role: 'member' });
  assert.match(words(), /Slow mode: one message every 30 seconds/);
  room.tail = [{ waitsFor: 'RATELIMIT', retryAt: NOW + 4200 }];
  assert.deepEqual(composeNote(room, NOW), {
    words: 'Slow mode: what you wrote goes out in 5 s.',
    againMs: 1000,
  });
  room.frozen = true;
  assert.match(words(), /frozen/);
  room.setMuted(NOW + 5000);
  assert.equal(composeNote(room, NOW).againMs, 5000);
  room.setMuted(0);
  assert.match(words(), /muted in this room\.$/);
  room.setMuted(null);
  room.role = 'moderator';
  room.tail = [];
  assert.equal(words(), '', 'moderators are exempt');
  assert.equal(composeNote(null, NOW).words, '');
});

test('times are read and written', () => {
  const rows = [
    ['90s', 90_000],
    ['10m', 600_000],
    ['2H', 7_200_000],
    ['1d', 86_400_000],
  ];
  for (const [text, ms] of rows) assert.equal(parseDuration(text), ms);
  for (const text of ['', '5', 'm', '-1m', '1w', '1m2']) assert.equal(parseDuration(text), null);
  assert.equal(duration(1000), '1 second');
  assert.equal(duration(600_000), '10 minutes');
});

test('events are sentences', () => {
  const nameOf = (user) => ({ bob: 'Bob', mod: 'Moni' })[user] ?? user;
  const rows = [
    [
      { type: 'member', kind: 'kick', user: 'bob', by: 'mod', reason: 'spam' },
      'Bob was removed by Moni: spam',
    ],
    [
      { type: 'member', kind: 'role', user: 'bob', by: '*', role: 'owner' },
      'Bob was made owner by the server',
    ],
    [{ type: 'member', kind: 'leave', user: 'bob' }, 'Bob left the room'],
    [{ type: 'room', by: 'mod', data: { topic: 'chat' } }, 'The topic is now “chat” by Moni'],
    [{ type: 'room', by: '*', data: { max_text: 5 } }, 'The room’s settings were changed'],
  ];
  for (const [event, text] of rows) assert.equal(noticeText(event, nameOf), text);
});

test('a name like a property of objects is no kind of event', () => {
  for (const kind of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    const text = noticeText({ type: 'member', kind, user: 'bob' }, (user) => user);
    assert.match(text, /^bob: /, kind);
  }
});
