/**
 * What one can do with somebody: write to them, mention them, moderate, block.
 *
 * The one idea: a rank decides what is offered; the store decides what happens.
 *
 * It refuses to do anything: it says what was chosen.
 */

import { moderates, rank } from '../../sdk.js';
import { ask } from '../overlays/dialogue.js';
import { openMenu } from '../overlays/menu.js';
import { ago } from '../words.js';
import { statusWords } from './status-menu.js';

const SPANS = [
  ['', 'Until it is lifted'],
  ['600000', '10 minutes'],
  ['3600000', '1 hour'],
  ['86400000', '1 day'],
  ['604800000', '1 week'],
];

/**
 * @param {Element} anchor
 * @param {object} scene {user, name, self, role: one's own, theirs: their role or undefined,
 *   profile: or null, isDirect: the room is the two's own}
 * @param {{write, mention: () => void, moderate: (action, options?) => void,
 *   block: (action) => void}} on
 */
export function openPersonMenu(anchor, scene, on) {
  const { user, name, self, role, theirs, profile, isDirect } = scene;
  const entries = [{ heading: name === user ? user : `${name} (@${user})` }];
  const words = aboutWords(profile);
  if (words) entries.push({ heading: words });
  if (user !== self) {
    if (!isDirect) entries.push({ label: 'Message', act: on.write });
    entries.push({ label: 'Mention', act: on.mention });
  }
  if (user !== self && !isDirect && moderates(role) && rank(role) > rank(theirs)) {
    entries.push(...moderation(name, role, theirs, on));
  }
  if (user !== self) {
    entries.push(dangerous('Block direct messages', () => on.block('ban')));
    entries.push({ label: 'Unblock', act: () => on.block('unban') });
  }
  openMenu(anchor, entries, { label: `What to do with ${name}` });
}

function aboutWords(profile) {
  if (!profile) return '';
  const { status, online, shown, last_seen: lastSeen } = profile;
  const parts = [];
  if (online > 0) parts.push(statusWords(shown));
  else if (lastSeen > 0) parts.push(`last seen ${ago(lastSeen)}`);
  if (status) parts.push(status);
  return parts.join(' · ');
}

function moderation(name, role, theirs, on) {
  const entries = [
    { label: 'Mute…', act: () => askAndDo(name, 'mute', 'Mute', on) },
    { label: 'Unmute', act: () => on.moderate('unmute') },
    dangerous('Remove from the room…', () => askAndDo(name, 'kick', 'Remove', on)),
    dangerous('Ban…', () => askAndDo(name, 'ban', 'Ban', on)),
  ];
  if (role !== 'owner') return entries;
  for (const given of ['moderator', 'member', 'owner']) {
    const isChange = given === 'member' ? theirs === 'moderator' : theirs !== given;
    const act = () => on.moderate('role', { role: given });
    if (isChange) entries.push({ label: `Make ${given}`, act });
  }
  return entries;
}

const dangerous = (label, act) => ({ label, act, isDangerous: true });

async function askAndDo(name, action, confirm, on) {
  const fields = [{ name: 'reason', label: 'Reason (others see it)', maxLength: 200 }];
  if (action !== 'kick') fields.unshift({ name: 'span', label: 'For', options: SPANS });
  const answer = await ask({ title: `${confirm} ${name}?`, confirm, fields });
  if (!answer) return;
  const { span = '', reason } = answer;
  on.moderate(action, { forMs: span ? Number(span) : undefined, reason: reason || undefined });
}
