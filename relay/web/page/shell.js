/**
 * The frame of the page: sign-in or chat, drawers on small screens, the theme.
 *
 * The one idea: where a panel stands beside the messages its button hides and shows it, where it
 * does not it slides over them.
 *
 * It refuses to know what is in the panels.
 */

import * as store from './store.js';

const THEMES = { null: 'light', light: 'dark', dark: null };
const DRAWERS = { sidebar: 'open-sidebar', 'people-panel': 'open-people' };

const byId = (id) => document.getElementById(id);

/** Opens a drawer, or hides and shows the panel it is on wide screens. */
export function openDrawer(id) {
  const drawer = byId(id);
  if (window.getComputedStyle(drawer).position !== 'fixed') {
    if (id === 'people-panel') document.body.toggleAttribute('data-people-hidden');
    return;
  }
  drawer.toggleAttribute('data-open', true);
  byId('shade').hidden = false;
  drawn();
  drawer.querySelector('.drawer-close').focus();
}

/** Closes all drawers. */
export function closeDrawers() {
  for (const id of Object.keys(DRAWERS)) byId(id).removeAttribute('data-open');
  byId('shade').hidden = true;
  drawn();
}

function drawn() {
  for (const [id, button] of Object.entries(DRAWERS)) {
    byId(button).setAttribute('aria-expanded', String(byId(id).hasAttribute('data-open')));
  }
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  const words = `Theme: ${theme ?? 'as the system'}`;
  byId('theme').dataset.theme = theme ?? 'system';
  byId('theme').setAttribute('aria-label', words);
  byId('theme').title = words;
}

/** The sign-in form, with what was wrong with the name. */
export function showWelcome(problem) {
  document.body.dataset.page = 'welcome';
  byId('welcome').hidden = false;
  byId('chat').hidden = true;
  byId('name-problem').textContent = problem;
  byId('name').setAttribute('aria-invalid', String(problem !== ''));
  byId('name').focus();
}

/** The chat itself. */
export function showChat() {
  document.body.dataset.page = 'chat';
  byId('welcome').hidden = true;
  byId('chat').hidden = false;
}

/** Makes the buttons of the frame work. */
export function setUpShell() {
  setTheme(store.loadTheme());
  byId('theme').addEventListener('click', () => {
    const theme = THEMES[store.loadTheme()] ?? null;
    store.saveTheme(theme);
    setTheme(theme);
  });
  for (const [id, button] of Object.entries(DRAWERS)) {
    byId(button).addEventListener('click', () => openDrawer(id));
  }
  byId('shade').addEventListener('click', closeDrawers);
  for (const button of document.querySelectorAll('.drawer-close')) {
    button.addEventListener('click', () => {
      closeDrawers();
      byId(DRAWERS[button.dataset.close]).focus();
    });
  }
  document.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') closeDrawers();
  });
}
