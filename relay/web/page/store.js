/**
 * What the page remembers.
 *
 * The one idea: what belongs to one tab (name, rooms, drafts) lives in the session's storage, so
 * that two tabs may be two users; what belongs to the person (the theme) lives in the browser's.
 * Storage that is full or forbidden means forgetting, never failing.
 *
 * It refuses to hold messages: those are the rooms' own.
 */

import { isId } from '../sdk.js';

function read(storage, key) {
  try {
    return storage().getItem(`redis-chat.${key}`);
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    if (value === null || value === '') storage().removeItem(`redis-chat.${key}`);
    else storage().setItem(`redis-chat.${key}`, value);
  } catch {
    // Forgotten.
  }
}

const tab = () => window.sessionStorage;
const browser = () => window.localStorage;

/** The name chosen in this tab, or null. */
export const loadName = () => read(tab, 'name');
export const saveName = (name) => write(tab, 'name', name);

/** `light`, `dark`, or null: as the system has it. */
export const loadTheme = () => read(browser, 'theme');
export const saveTheme = (theme) => write(browser, 'theme', theme);

/** {rooms: [name, …], active: name|null} of this user in this tab. */
export function loadRooms(user) {
  try {
    const { rooms, active } = JSON.parse(read(tab, `rooms.${user}`));
    if (!Array.isArray(rooms)) throw new TypeError();
    return { rooms: rooms.filter((room) => typeof room === 'string'), active: active ?? null };
  } catch {
    return { rooms: [], active: null };
  }
}

export const saveRooms = (user, rooms) => write(tab, `rooms.${user}`, JSON.stringify(rooms));

/** The status chosen in this tab; empty: none. */
export const loadStatus = () => read(tab, 'status') ?? '';
export const saveStatus = (status) => write(tab, 'status', status);

/** Direct rooms that were put away: {room: id of the newest message then}. */
/** @returns {Map<string, string>} room -> its newest id when it was put away */
export function loadHidden(user) {
  try {
    const kept = Object.entries(JSON.parse(read(browser, `hidden.${user}`)) ?? {});
    return new Map(kept.filter(([, id]) => isId(id)));
  } catch {
    return new Map();
  }
}

export const saveHidden = (user, rooms) =>
  write(browser, `hidden.${user}`, JSON.stringify(Object.fromEntries(rooms)));

/** Where the draft of a user in a room is kept: no user has a comma in the name. */
const draftKey = (user, room) => `draft.${user},${room}`;

/** What was typed into a room but not sent. */
export const loadDraft = (user, room) => read(tab, draftKey(user, room)) ?? '';
export const saveDraft = (user, room, text) => write(tab, draftKey(user, room), text);
