/** What a typed text means. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { COMMANDS, helpLines, parseInput } from '../page/compose/commands.js';

test('a typed text is a line, a command or a problem', () => {
  const rows = [
    ['', null, 'nothing'],
    [' \n\t', null, 'only space'],
    ['hello', { text: 'hello' }, 'a line'],
    ['  indented  ', { text: '  indented' }, 'space at the end goes'],
    ['a\r\nb', { text: 'a\nb' }, 'line ends are one kind'],
    ['//etc', { text: '/etc' }, 'a slash as text'],
    ['/help', { command: 'help', argument: '' }, 'no argument'],
    ['/JOIN  lobby ', { command: 'join', argument: 'lobby' }, 'in any case'],
    ['/leave', { command: 'leave', argument: '' }, 'an optional argument'],
    ['/me waves\nand goes', { command: 'me', argument: 'waves\nand goes' }, 'several lines'],
  ];
  for (const [typed, expected, why] of rows) assert.deepEqual(parseInput(typed), expected, why);
  for (const typed of ['/join', '/me', '/nothing', '/', '/toString', '/__proto__ x']) {
    assert.ok(parseInput(typed).problem, typed);
  }
});

test('help names every command', () => {
  const lines = helpLines().join('\n');
  for (const name of Object.keys(COMMANDS)) assert.ok(lines.includes(`/${name}`), name);
});
