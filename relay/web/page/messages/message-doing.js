/**
 * What is done with a message: edit, delete, react, reply.
 *
 * The one idea: what may be done follows from whose message it is and from one's role; what is done
 * shows when its event comes, from whoever.
 *
 * It refuses to change a message here: the room says what became of it.
 */

import { moderates } from '../../sdk/roles.js';
import { ask } from '../overlays/dialogue.js';

const SHOWN_CHARS = 140;

/** Which tools a message has for a reader. */
export function mayDo(room, item) {
  const isStored =
    item.type === 'message'
    && item.state === 'stored'
    && item.id !== null
    && (item.deleted ?? null) === null
    && !room.problem;
  const isOwn = item.user === room.user;
  return {
    react: isStored,
    reply: isStored,
    edit: isStored && isOwn,
    delete: isStored && (isOwn || (moderates(room.role) && !room.isDirect)),
  };
}

/** The own message that was written last and may be edited, or null. */
export function lastOwn(room) {
  return room?.items.findLast((item) => item.type === 'message' && mayDo(room, item).edit) ?? null;
}

/** Puts a reaction, or takes it back if it is there. */
export async function toggleReaction(client, room, item, emoji) {
  const known = item.reactions.find((reaction) => reaction.emoji === emoji);
  if (known?.users.includes(room.user)) await client.unreact(room.name, item.id, emoji);
  else {
    const isNew = await client.react(room.name, item.id, emoji);
    // It was there: among those who are not named.
    if (!isNew && known) await client.unreact(room.name, item.id, emoji);
  }
}

/** Deletes a message after asking. */
export async function deleteMessage(client, room, item) {
  const isOwn = item.user === room.user;
  const { text } = item;
  const answer = await ask({
    title: 'Delete this message for everybody?',
    text: text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text,
    confirm: 'Delete',
    fields: isOwn ? [] : [{ name: 'reason', label: 'Reason (others see it)', maxLength: 200 }],
  });
  if (answer) await client.erase(room.name, item.id, answer.reason || undefined);
}

/** Changes the text of a message; nothing left of it means deleting it. */
export async function editMessage(client, room, id, text) {
  const item = room.byId.get(id);
  if (!item || text === item.text) return;
  if (text === '') await deleteMessage(client, room, item);
  else await client.edit(room.name, id, text, item.meta ?? undefined);
}
