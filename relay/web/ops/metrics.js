/**
 * Numbers of `/metrics`: read from Prometheus' text form, and what two readings say of the time between them.
 *
 * The one idea: the relay counts, the page subtracts. So nothing runs in the relay for this page.
 */

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:\\.|[^"\\])*)"/g;
const ESCAPED = { __proto__: null, n: '\n' };

/**
 * @typedef {Map<string, {labels: Map<string, string>, value: number}[]>} Reading
 * @param {string} text
 * @returns {Reading} the lines by the name of their metric
 */
export function read(text) {
  const reading = new Map();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === undefined) continue;
    const pairs = [...labels.matchAll(LABEL)].map(([, label, word]) => [label, unescaped(word)]);
    const entry = { labels: new Map(pairs), value: Number(value) };
    if (reading.has(name)) reading.get(name).push(entry);
    else reading.set(name, [entry]);
  }
  return reading;
}

const unescaped = (word) => word.replace(/\\(.)/g, (_, letter) => ESCAPED[letter] ?? letter);

/** The sum over all labels; 0 if there is none. @param {Reading} reading */
export function total(reading, name) {
  return (reading.get(name) ?? []).reduce((sum, { value }) => sum + value, 0);
}

/** Sums by one label. @param {Reading} reading @returns {Map<string, number>} */
export function by(reading, name, label) {
  const sums = new Map();
  for (const { labels, value } of reading.get(name) ?? []) {
    const word = labels.get(label) ?? '';
    sums.set(word, (sums.get(word) ?? 0) + value);
  }
  return sums;
}

/**
 * How much a counter grew in each second between two readings; null if that is not known. A relay that has
 * started anew counts from 0.
 */
export function perSecond(from, to, name) {
  const seconds = to && from ? (to.at - from.at) / 1000 : 0;
  if (!(seconds > 0)) return null;
  return Math.max(0, total(to.reading, name) - total(from.reading, name)) / seconds;
}

/**
 * The least limit of a histogram that this part of what came between two readings is not above, in the
 * histogram's unit; null if nothing came.
 */
export function quantile(from, to, name, part) {
  if (!from || !to) return null;
  const before = by(from.reading, `${name}_bucket`, 'le');
  const grown = [...by(to.reading, `${name}_bucket`, 'le')]
    .map(([limit, count]) => [
      limit === '+Inf' ? Infinity : Number(limit),
      count - (before.get(limit) ?? 0),
    ])
    .sort(([one], [other]) => one - other);
  const all = grown.at(-1)?.[1] ?? 0;
  if (!(all > 0)) return null;
  return grown.find(([, count]) => count >= all * part)[0];
}
