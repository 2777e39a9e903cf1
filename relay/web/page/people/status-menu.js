/**
 * The menu of one's own status, and how statuses are written out.
 *
 * The one idea: four entries and a field for own words; what is chosen is marked.
 */

import { html } from 'lit-html';

import { closeMenu, openMenu } from '../overlays/menu.js';

const CHOICES = [
  ['', 'Online', 'Away when you are away'],
  ['away', 'Away', ''],
  ['dnd', 'Do not disturb', ''],
];

const WORDS = { '': 'online', online: 'online', away: 'away', dnd: 'do not disturb' };

/** A status in words. */
export const statusWords = (status) => WORDS[status ?? ''] ?? status;

/** Why these words cannot be a status; empty: they can. */
export function statusProblem(words) {
  if (new TextEncoder().encode(words).length > 64) return 'A status has at most 64 bytes.';
  return /\p{Cc}/u.test(words) ? 'A status is one line of plain text.' : '';
}

/**
 * @param {Element} anchor
 * @param {string} chosen
 * @param {(status: string) => void} choose
 * @param {{label: string, act: () => void}[]} others what else concerns oneself
 */
export function openStatusMenu(anchor, chosen, choose, others) {
  const entries = CHOICES.map(([status, label, title]) => ({
    label,
    title: title && `${label}: ${title.toLowerCase()}`,
    checked: status === chosen,
    act: () => choose(status),
  }));
  const submit = (event) => {
    event.preventDefault();
    const words = event.target.elements.status.value.trim();
    closeMenu();
    choose(words);
  };
  const form = html`<form class="menu-form" @submit=${submit}>
    <input name="status" placeholder="In your own words" aria-label="Status in your own words" maxlength="64"
      .value=${chosen in WORDS ? '' : chosen}>
  </form>`;
  openMenu(anchor, [...entries, { content: form }, ...others], { label: 'Your status' });
}
