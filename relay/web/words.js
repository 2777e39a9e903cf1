/**
 * How things are written out: times, days, names as colours, errors as sentences, links in texts.
 *
 * The one idea: everything a reader sees of others' making becomes text nodes; a link is an anchor
 * with a text node inside, and only http and https are links.
 *
 * It refuses to parse markup.
 */

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
  if (dayOf(ms) === dayOf(nowMs - 86_400_000)) return 'Yesterday';
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

const SENTENCES = {
  OFFLINE: () => 'Not connected',
  LOST: () => 'The connection was lost',
  TIMEOUT: () => 'The relay did not answer in time',
  UNAVAILABLE: () => 'The server cannot be reached now',
  UNCONFIRMED: () => 'It is not known whether this arrived',
  NOTMEMBER: () => 'You are not a member of this room',
  NOROOM: () => 'There is no such room',
  BANNED: (error) => `You are banned from this room${until(error)}`,
  MUTED: (error) => `You are muted in this room${until(error)}`,
  FROZEN: () => 'This room is frozen',
  RATELIMIT: () => 'Too fast',
  TOOBIG: (error) => `Too long${error.max_bytes ? ` (at most ${error.max_bytes} bytes)` : ''}`,
  INVALID: (error) => (error.what === 'room' ? 'No room can have this name'
    : `Invalid ${error.what ?? 'request'}: ${error.message}`),
  DENIED: (error) => `Not allowed: ${error.message}`,
};

function until({ until_ms: ms }) {
  if (!Number.isFinite(ms) || ms <= 0 || ms >= 8.64e15) return '';
  return ` until ${dayOf(ms) === dayOf(Date.now()) ? clock(ms) : fullTime(ms)}`;
}

/** An error `{code, message, …}` as a sentence for people. */
export function explain(error) {
  const fields = { code: error.code, message: error.message, ...error.details, ...error };
  const sentence = SENTENCES[fields.code];
  return sentence ? sentence(fields) : fields.message || fields.code || 'Something went wrong';
}

const LINK = /\bhttps?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/gi;

/** Puts a text into an element, its links clickable. */
export function putText(element, text) {
  element.textContent = '';
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    let url;
    try {
      url = new URL(match[0]);
    } catch {
      continue;
    }
    element.append(text.slice(from, match.index));
    const anchor = document.createElement('a');
    anchor.href = url.href;
    anchor.target = '_blank';
    anchor.rel = 'noopener noreferrer nofollow';
    anchor.textContent = match[0];
    element.append(anchor);
    from = match.index + match[0].length;
  }
  element.append(text.slice(from));
}

const ONLY_EMOJI = new RegExp(
  '^(?=.*\\p{Extended_Pictographic}|.*\\p{Regional_Indicator})'
  + '(?:\\p{Extended_Pictographic}|\\p{Emoji_Modifier}|\\p{Regional_Indicator}'
  + '|[\\u200d\\ufe0f\\u20e3]|\\s)+$', 'u');

/** Whether a short text is nothing but emoji, which are then drawn larger. */
export const isOnlyEmoji = (text) => text.length <= 30 && ONLY_EMOJI.test(text);

/** A member or room event as a sentence. */
export function noticeText({ type, user, by, kind, role, data, reason }) {
  const because = reason ? `: ${reason}` : '';
  const actor = by && by !== user ? ` by ${by === '*' ? 'the server' : by}` : '';
  if (type === 'room') {
    if (data?.topic !== undefined) {
      return data.topic ? `The topic is now “${data.topic}”` : 'The topic was removed';
    }
    return `The room’s settings were changed${by && by !== '*' ? ` by ${by}` : ''}`;
  }
  const sentences = {
    join: `${user} joined${actor}`,
    leave: `${user} left the room`,
    role: `${user} was made ${role}${actor}`,
    kick: `${user} was removed${actor}${because}`,
    ban: `${user} was banned${actor}${because}`,
    unban: `${user} is no longer banned`,
    mute: `${user} was muted${actor}${because}`,
    unmute: `${user} is no longer muted`,
  };
  return sentences[kind] ?? `${user}: ${kind}${actor}${because}`;
}
