/** How times are written out. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.TZ = 'Europe/Berlin';
const { dayName, dayOf } = await import('../page/words.js');

test('days are named by the calendar, also where clocks change', () => {
  const rows = [
    // The clocks go forward on March 29: that day has 23 hours.
    ['2026-03-30T00:10', '2026-03-29T12:00', 'Yesterday'],
    ['2026-03-30T00:10', '2026-03-28T23:50', null],
    // And back on October 25: that day has 25.
    ['2026-10-25T23:30', '2026-10-25T00:10', 'Today'],
    ['2026-10-25T23:30', '2026-10-24T23:50', 'Yesterday'],
    ['2026-10-26T00:30', '2026-10-25T00:10', 'Yesterday'],
    ['2027-01-01T00:01', '2026-12-31T23:59', 'Yesterday'],
  ];
  for (const [now, then, name] of rows) {
    const found = dayName(new Date(then).getTime(), new Date(now).getTime());
    const word = ['Today', 'Yesterday'].includes(found) ? found : null;
    assert.equal(word, name, `${then} at ${now}: ${found}`);
  }
  const [early, late] = ['2026-03-29T00:00', '2026-03-29T23:59'].map((time) => new Date(time));
  assert.equal(dayOf(early), dayOf(late));
});
