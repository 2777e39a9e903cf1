/**
 * What is done with a message: edit, delete, react, reply.
 *
 * The one idea: what may be done follows from whose message it is and from one's role; what is done
 * shows when its event comes, from whoever.
 *
 * It refuses to change a message here: the room says what became of it.
 */

import { moderates } from '../../sdk.js';
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
    link: isStored,
    edit: isStored && isOwn,
    delete: isStored && (isOwn || (moderates(room.role) && !room.isDirect)),
  };
}

/** The own message that was written last and may be edited, or null. */
export function lastOwn(room) {
  return room?.items.findLast((item) => item.type === 'message' && mayDo(room, item).edit) ?? null;
}

/** Puts a reaction, or takes it back if it is there. */
export async function toggleReaction(here, room, item, emoji) {
  const bare = (text) => text.replaceAll('\ufe0f', '');
  const known = item.reactions.filter((reaction) => bare(reaction.emoji) === bare(emoji));
  const ours = known.find(({ users }) => users.includes(room.user));
  if (ours) await here.react(item.id, ours.emoji, { remove: true });
  else {
    const used = known[0]?.emoji ?? emoji;
    const isNew = await here.react(item.id, used);
    // It was there: among those who are not named.
    if (!isNew && known.length > 0) await here.react(item.id, used, { remove: true });
  }
}

/** Deletes a message after asking. */
export async function deleteMessage(here, room, item) {
  const isOwn = item.user === room.user;
  const { text } = item;
  const answer = await ask({
    title: 'Delete this message for everybody?',
    text: text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text,
    confirm: 'Delete',
    fields: isOwn ? [] : [{ name: 'reason', label: 'Reason (others see it)', maxLength: 200 }],
  });
  if (answer) await here.delete(item.id, { reason: answer.reason || undefined });
}

/** Changes the text of a message; nothing left of it means deleting it. */
export async function editMessage(here, room, id, text) {
  const item = room.byId.get(id);
  if (!item || text === item.text) return;
  if (text === '') await deleteMessage(here, room, item);
  else await here.edit(id, text, { meta: item.meta ?? undefined });
}
