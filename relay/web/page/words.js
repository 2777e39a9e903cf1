/**
 * How things are written out: times, days, names as colours, errors and events as sentences.
 *
 * The one idea: one place for words, so that the same thing is called the same everywhere.
 *
 * It refuses to touch the page.
 */

import { isYes } from '../sdk.js';

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', month: 'long', day: 'numeric' });
const DAY_YEAR = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export const clock = (ms) => CLOCK.format(ms);
export const fullTime = (ms) => FULL.format(ms);

/** A number that is the same for all moments of one day where the reader is. */
export function dayOf(ms) {
  const date = new Date(ms);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}

export function dayName(ms, nowMs = Date.now()) {
  if (dayOf(ms) === dayOf(nowMs)) return 'Today';
  // By the calendar: a day on which clocks change has 23 or 25 hours.
  const yesterday = new Date(nowMs);
  yesterday.setDate(yesterday.getDate() - 1);
  if (dayOf(ms) === dayOf(yesterday)) return 'Yesterday';
  return nowMs - ms < 300 * 86_400_000 ? DAY.format(ms) : DAY_YEAR.format(ms);
}

/** A hue of its own for each name. */
export function hue(name) {
  let hash = 2166136261;
  for (let at = 0; at < name.length; at += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 16777619);
  }
  return (hash >>> 0) % 360;
}

/** The first letter a person would see. */
export function initial(name) {
  const [first = '?'] = name.replace(/^[^\p{L}\p{N}\p{Extended_Pictographic}]+/u, '');
  return first.toLocaleUpperCase();
}

export const plural = (count, one, many) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** What `DENIED` says is needed. */
const NEEDED = {
  __proto__: null,
  moderator: 'Only moderators may do this',
  owner: 'Only an owner of the room may do this',
  backend: 'Only the server itself may do this',
  self: 'This room is somebody else’s',
  contacts: 'Who is online is not told here',
};

/** What `INVALID` says is wrong. */
const INVALID_WORDS = {
  __proto__: null,
  room: 'No room can have this name',
  emoji: 'This is no whole emoji, or the message has twenty different ones already',
};

const SENTENCES = {
  __proto__: null,
  OFFLINE: () => 'Not connected',
  LOST: () => 'The connection was lost',
  TIMEOUT: () => 'The relay did not answer in time',
  UNAVAILABLE: () => 'The server cannot be reached now',
  TOKEN: ({ message }) => message,
  REFUSED: () => 'The server takes no connection from this page: its address may not be allowed',
  UNCONFIRMED: () => 'It is not known whether this arrived',
  NOTMEMBER: () => 'You are not a member of this room',
  NOROOM: () => 'There is no such room',
  NOMSG: () => 'This message is no longer there',
  OOM: () => 'The server has no memory left',
  KICKED: ({ reason }) => `You were removed from this room${reason ? `: ${reason}` : ''}`,
  BANNED: (error) =>
    error.isDirect
      ? 'They do not take messages from you'
      : `You are banned from this room${until(error)}${error.reason ? `: ${error.reason}` : ''}`,
  MUTED: (error) => `You are muted in this room${until(error)}`,
  FROZEN: () => 'This room is frozen',
  RATELIMIT: ({ retry_ms: ms }) => `Too fast${ms > 0 ? `: wait ${duration(ms)}` : ''}`,
  TOOBIG: (error) => `Too long${error.max_bytes ? ` (at most ${error.max_bytes} bytes)` : ''}`,
  INVALID: (error) =>
    INVALID_WORDS[error.what] ?? `Invalid ${error.what ?? 'request'}: ${error.message}`,
  DENIED: (error) => NEEDED[error.what] ?? `Not allowed: ${error.message}`,
};

/** ` until …`; empty: for ever, or nobody knows. */
export function until({ until_ms: ms }) {
  if (!Number.isFinite(ms) || ms <= 0 || ms >= 8.64e15) return '';
  return ` until ${dayOf(ms) === dayOf(Date.now()) ? clock(ms) : fullTime(ms)}`;
}

/** An error `{code, message, …}` as a sentence for people. */
export function explain(error) {
  const fields = { code: error.code, message: error.message, ...error.details, ...error };
  const sentence = SENTENCES[fields.code];
  return sentence ? sentence(fields) : fields.message || fields.code || 'Something went wrong';
}

/** A member or room event as a sentence. */
export function noticeText(event, nameOf) {
  const { type, user, by, kind, role, data, reason, until: end } = event;
  const because = reason ? `: ${reason}` : '';
  const actor = by && by !== user ? ` by ${by === '*' ? 'the server' : nameOf(by)}` : '';
  if (type === 'room') return settingsText(data ?? {}, by && by !== '*' ? ` by ${nameOf(by)}` : '');
  const name = nameOf(user);
  const time = until({ until_ms: end });
  const sentences = {
    __proto__: null,
    join: `${name} joined${actor}`,
    leave: `${name} left the room`,
    role: `${name} was made ${role}${actor}`,
    kick: `${name} was removed${actor}${because}`,
    ban: `${name} was banned${time}${actor}${because}`,
    unban: `${name} is no longer banned`,
    mute: `${name} was muted${time}${actor}${because}`,
    unmute: `${name} is no longer muted`,
  };
  return sentences[kind] ?? `${name}: ${kind}${actor}${because}`;
}

/** Changed settings of a room as a sentence. */
function settingsText({ topic, frozen, slow, access }, actor) {
  const parts = [];
  if (topic) parts.push(`The topic is now “${topic}”`);
  else if (topic !== undefined) parts.push('The topic was removed');
  if (frozen !== undefined) parts.push(`The room was ${isYes(frozen) ? 'frozen' : 'unfrozen'}`);
  if (Number(slow) > 0) parts.push(`Slow mode: one message every ${duration(Number(slow))}`);
  else if (slow !== undefined) parts.push('Slow mode is off');
  if (access === 'members') parts.push('Only members read here now');
  else if (access !== undefined) parts.push('Anyone may read and join now');
  return `${parts.join('. ') || 'The room’s settings were changed'}${actor}`;
}

const UNITS = [
  [86_400_000, 'd', 'day', 'days'],
  [3_600_000, 'h', 'hour', 'hours'],
  [60_000, 'm', 'minute', 'minutes'],
  [1000, 's', 'second', 'seconds'],
];

/** A length of time in words, rounded up to its largest unit. */
export function duration(ms) {
  const unit = UNITS.find(([size]) => ms >= size) ?? UNITS.at(-1);
  return plural(Math.ceil(ms / unit[0]), unit[2], unit[3]);
}

/** Milliseconds of `90s`, `10m`, `2h`, `1d`; null: it is no length of time. */
export function parseDuration(text) {
  const match = /^(\d{1,6})([smhd])$/i.exec(text);
  if (!match) return null;
  return Number(match[1]) * UNITS.find(([, letter]) => letter === match[2].toLowerCase())[0];
}

/** How long ago something was, roughly. */
export function ago(ms, nowMs = Date.now()) {
  const passed = nowMs - ms;
  return passed < 60_000 ? 'just now' : `${duration(passed)} ago`;
}
