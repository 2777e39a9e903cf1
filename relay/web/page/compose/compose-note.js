/**
 * What keeps one from writing, in a sentence.
 *
 * The one idea: it follows from the room alone, and says when to look again.
 *
 * It refuses to keep anybody from trying: the store decides.
 */

import { moderates } from '../../sdk.js';
import { clock, dayOf, duration, fullTime } from '../words.js';

const SECOND_MS = 1000;

/**
 * @param {import('../../sdk.js').RoomState|null} room
 * @returns {{words: string, againMs: number|null}} empty words: nothing; null: it holds until the
 *   room changes
 */
export function composeNote(room, nowMs) {
  if (!room || room.problem) return { words: '', againMs: null };
  if (room.mutedUntil !== null && room.mutedUntil > nowMs) {
    const { mutedUntil: until } = room;
    if (!Number.isFinite(until)) return { words: 'You are muted in this room.', againMs: null };
    const time = dayOf(until) === dayOf(nowMs) ? clock(until) : fullTime(until);
    return { words: `You are muted in this room until ${time}.`, againMs: until - nowMs };
  }
  if (room.frozen && !moderates(room.role)) {
    return { words: 'This room is frozen: only moderators write.', againMs: null };
  }
  const waiting = room.tail.filter((line) => line.waitsFor === 'RATELIMIT' && line.retryAt > nowMs);
  if (waiting.length) {
    const last = Math.max(...waiting.map((line) => line.retryAt));
    const seconds = Math.ceil((last - nowMs) / SECOND_MS);
    const words = room.slowMs > 0 ? 'Slow mode' : 'Too fast';
    return { words: `${words}: what you wrote goes out in ${seconds} s.`, againMs: SECOND_MS };
  }
  if (room.slowMs > 0 && !moderates(room.role)) {
    return { words: `Slow mode: one message every ${duration(room.slowMs)}.`, againMs: null };
  }
  return { words: '', againMs: null };
}
