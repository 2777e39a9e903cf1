/** How the operators' page writes numbers, times and places, and reads what was typed. It touches no element. */

/** Characters that make a pattern. */
const GLOB = /[*?[\\]/;
/** An address of the IP with a port, as relays announce theirs. */
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[\da-fA-F:.]+\]):\d{1,5}$/;
const NOWHERE = /^(?:0\.0\.0\.0|\[::\]):/;

/** What is shown at this part of the address: {view, name}. */
export function placeOf(hash) {
  const [, view = '', name = ''] = /^#\/([a-z]*)(?:\/(.*))?$/s.exec(hash) ?? [];
  if (view === 'rooms') return { view: 'rooms', name: '' };
  if (view !== 'room' && view !== 'user') return { view: 'overview', name: '' };
  try {
    const decoded = decodeURIComponent(name);
    return decoded ? { view, name: decoded } : { view: 'overview', name: '' };
  } catch {
    return { view: 'overview', name: '' };
  }
}

/** The part of the address at which a room or a user is shown. */
export const linkTo = (view, name) => `#/${view}/${encodeURIComponent(name.toWellFormed())}`;

/** The pattern that finds what was typed: as it is if it is one, else anywhere in a name. */
export function patternOf(typed) {
  if (!typed) return null;
  return GLOB.test(typed) ? typed : `*${typed}*`;
}

/**
 * A relay as it announces itself: its process as the user, and its version, connections and address as the
 * status.
 */
export function relayOf({ user, status, since }) {
  const at = user.lastIndexOf('-');
  const [version = '', connections = '', address = ''] = status.split(' ');
  const place = ADDRESS.test(address) ? address : '';
  return {
    process: user,
    name: at > 0 ? user.slice(0, at) : user,
    version,
    connections: /^\d+$/.test(connections) ? Number(connections) : null,
    address: place,
    // Everywhere is no place to go to.
    link: place && !NOWHERE.test(place) ? `http://${place}/` : null,
    since,
  };
}

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
export const number = (value) =>
  value === null || value === undefined ? '–' : NUMBER.format(value);

/** A time of the store, in full. 0: there was none. */
export const time = (ms) =>
  ms > 0 ? new Date(ms).toISOString().replace('T', ' ').slice(0, 19) : '–';

/** Until when a sanction holds, written as the store does. */
export const until = (ms) => (ms === 0 ? 'for ever' : ms > 0 ? `until ${time(ms)}` : '–');

/** Seconds as a length of time that was at most so long. */
export function atMost(seconds) {
  if (seconds === null) return '–';
  if (seconds === Infinity) return 'over the largest bucket';
  return seconds < 1 ? `≤ ${number(seconds * 1000)} ms` : `≤ ${number(seconds)} s`;
}

/** The last moment of an id, `<ms>-<n>`. */
export const momentOf = (id) => Number.parseInt(id, 10) || 0;
