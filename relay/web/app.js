/**
 * The page: joins the client (chat.js), the views and the person.
 *
 * The one idea: everything shown follows from the client's events; the page keeps only who is
 * signed in and which room is looked at.
 *
 * It refuses to hold messages and to speak the wire protocol.
 */

import { ChatClient } from './chat.js';
import { helpLines } from './commands.js';
import { ComposeView } from './compose-view.js';
import { MessagesView } from './messages-view.js';
import { PeopleView } from './people-view.js';
import { RoomsView } from './rooms-view.js';
import * as store from './store.js';
import { Toasts } from './toasts.js';
import { explain, hue, initial, plural } from './words.js';

const DIRECTORY_EVERY_MS = 20_000;
const STATE_WORDS = { connected: 'Connected', connecting: 'Connecting…', offline: 'Offline' };
const THEMES = { null: 'light', light: 'dark', dark: null };
const USER_FORM = /^[^@*,\p{C}\p{Z}][^,\p{C}\p{Z}]*$/u;

const parameters = new URLSearchParams(window.location.search);
const byId = (id) => document.getElementById(id);

let client = null;
let active = null;
let bannerTimer = null;

const toasts = new Toasts(byId('toasts'));
const failed = (error) => toasts.show(explain(error), 'error');

const messages = new MessagesView(
  {
    scroller: byId('scroller'), list: byId('messages'), older: byId('older'),
    toEnd: byId('to-end'), empty: byId('empty'),
  },
  {
    older: () => client.older(active).catch(failed),
    retry: (nonce) => client.retry(nonce),
    discard: (nonce) => client.discard(nonce),
  },
);
const people = new PeopleView({
  list: byId('people'), count: byId('people-count'), more: byId('people-more'),
  typing: byId('typing'),
});
const rooms = new RoomsView(
  {
    rooms: byId('rooms'), directory: byId('directory'), note: byId('directory-note'),
    input: byId('room-input'),
  },
  { open: (room) => openRoom(room) },
);
const compose = new ComposeView(
  { form: byId('compose-form'), field: byId('compose'), button: byId('send') },
  {
    input: (parsed) => typed(parsed),
    typing: () => client.typing(active),
    loadDraft: (room) => store.loadDraft(client.user, room),
    saveDraft: (room, text) => store.saveDraft(client.user, room, text),
  },
);

// --- signing in and out --------------------------------------------------------------------------

function relays() {
  const { protocol, host } = window.location;
  const own = `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`;
  const others = parameters.getAll('relays').flatMap((list) => list.split(','));
  return [...new Set([own, ...others.map((relay) => relay.trim()).filter(Boolean)])];
}

function nameProblem(name) {
  if (name === '') return 'A name is needed.';
  if (new TextEncoder().encode(name).length > 96) return 'This name is too long.';
  return USER_FORM.test(name) ? '' : 'No spaces or commas, and no @ or * at the start.';
}

function signIn(name, wantedRooms = []) {
  const problem = nameProblem(name);
  showWelcome(problem);
  if (problem) return;
  try {
    client = new ChatClient({ urls: relays(), user: name });
  } catch (error) {
    showWelcome(`${error.message}.`);
    return;
  }
  store.saveName(name);
  document.body.dataset.page = 'chat';
  byId('welcome').hidden = true;
  byId('chat').hidden = false;
  byId('me-name').textContent = name;
  byId('me-avatar').textContent = initial(name);
  byId('me-avatar').style.setProperty('--hue', hue(name));
  client.addEventListener('state', () => drawState());
  client.addEventListener('rooms', () => {
    rememberRooms();
    drawRooms();
  });
  client.addEventListener('room', ({ detail }) => drawRoom(detail.room, detail.changes));
  client.addEventListener('problem', ({ detail: { room, error } }) => {
    toasts.show(`${room.name}: ${explain(error)}`, 'error');
  });
  const known = store.loadRooms(name);
  const all = new Set([...known.rooms, ...client.unsentRooms(), ...wantedRooms]);
  for (const room of all) joinQuietly(room);
  show(wantedRooms.at(-1) ?? (all.has(known.active) ? known.active : [...all][0] ?? null));
  client.connect();
  if (all.size === 0) openDrawer('sidebar');
}

function signOut() {
  client.close();
  client = null;
  active = null;
  store.saveName(null);
  show(null);
  showWelcome('');
}

function showWelcome(problem) {
  document.body.dataset.page = 'welcome';
  byId('welcome').hidden = false;
  byId('chat').hidden = true;
  byId('name-problem').textContent = problem;
  byId('name').setAttribute('aria-invalid', String(problem !== ''));
  byId('name').focus();
}

// --- rooms ---------------------------------------------------------------------------------------

function joinQuietly(name) {
  const joining = client;
  return joining.join(name).then(
    () => true,
    (error) => {
      if (client !== joining || error.code === 'LEFT') return false;
      toasts.show(`${name}: ${explain(error)}`, 'error');
      if (active === name) show(client.rooms.find((room) => room.name !== name)?.name ?? null);
      return false;
    },
  );
}

function openRoom(name) {
  if (!client.room(name)) joinQuietly(name).then(loadDirectory);
  show(name);
  closeDrawers();
  compose.focus();
}

/** Looks at a room that is followed, or at none. */
function show(name) {
  active = name;
  const room = client?.room(name) ?? null;
  client?.look(document.visibilityState === 'visible' ? name : null);
  messages.show(room);
  people.show(room);
  compose.show(room ? name : null);
  drawAbout(room);
  drawRooms();
  if (client) rememberRooms();
}

async function leave(name) {
  try {
    await client.leave(name);
  } catch (error) {
    failed(error);
    return;
  }
  if (active === name) show(client.rooms[0]?.name ?? null);
  loadDirectory();
}

function drawRoom(room, changes) {
  const kinds = new Set(changes.map(({ what }) => what));
  if (room.name === active) {
    const items = changes.filter(({ what }) => what !== 'people' && what !== 'typing');
    if (items.length) messages.change(items);
    if (kinds.has('people') || kinds.has('about')) people.draw();
    if (kinds.has('typing')) people.drawTyping();
    if (kinds.has('about')) drawAbout(room);
  }
  if (kinds.has('about')) drawRooms();
}

function drawRooms() {
  const followed = client?.rooms ?? [];
  rooms.setJoined(followed, active);
  const unread = followed.reduce((sum, room) => sum + room.unread, 0);
  const where = active ? `${active} · redis-chat` : 'redis-chat';
  document.title = unread > 0 ? `(${unread}) ${where}` : where;
  byId('open-sidebar').toggleAttribute(
    'data-unread', followed.some((room) => room.unread > 0 && room.name !== active),
  );
}

function rememberRooms() {
  store.saveRooms(client.user, { rooms: client.rooms.map((room) => room.name), active });
}

function drawAbout(room) {
  byId('room-title').textContent = room?.name ?? 'No room';
  const about = [];
  if (room && room.cursor !== null) about.push(`${room.online.toLocaleString()} online`);
  if (room?.topic) about.push(room.topic);
  byId('room-about').textContent = about.join(' · ');
  byId('leave').hidden = !room;
  byId('open-people').hidden = !room;
  drawBanner();
}

async function loadDirectory() {
  if (client?.status.state !== 'connected') return;
  const asked = client;
  try {
    const { rooms: found } = await asked.directory();
    if (asked !== client) return;
    for (const { room: name, topic } of found) {
      const room = client.room(name);
      if (room && topic) room.topic = topic;
    }
    rooms.setDirectory(found);
    drawAbout(client.room(active));
  } catch (error) {
    if (asked === client && error.code !== 'LOST') rooms.setDirectory([], explain(error));
  }
}

// --- the connection ------------------------------------------------------------------------------

function drawState() {
  const { state, close, hello } = client.status;
  if (state === 'offline' && close?.name === 'unauthorised') {
    client.close();
    client = null;
    store.saveName(null);
    showWelcome('The relay does not accept this name.');
    return;
  }
  const element = byId('state');
  const before = element.dataset.state;
  element.dataset.state = state;
  element.textContent = STATE_WORDS[state];
  byId('relay').textContent = state === 'connected' ? hello?.relay ?? '' : '';
  byId('relay-label').hidden = state !== 'connected' || !hello?.relay;
  drawBanner();
  if (state !== 'connected' || before === 'connected') return;
  // Rooms that this relay makes everybody a member of at login.
  for (const room of hello.joined ?? []) {
    if (!client.room(room)) joinQuietly(room);
  }
  if (active === null && client.rooms.length) show(client.rooms[0].name);
  loadDirectory();
}

function drawBanner() {
  clearTimeout(bannerTimer);
  const room = client?.room(active);
  const { state, attempt, retryAt, close } = client?.status ?? { state: 'connected' };
  let text = '';
  let action = '';
  if (state === 'offline') {
    text = close?.final ? `Disconnected: ${close.name || close.code}.` : 'Not connected.';
    action = 'Connect';
  } else if (state === 'connecting' && attempt > 0) {
    const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
    text = seconds > 0 ? `No connection. Next try in ${seconds} s.` : 'No connection. Trying…';
    action = seconds > 0 ? 'Try now' : '';
    if (seconds > 0) bannerTimer = setTimeout(drawBanner, 1000);
  } else if (room?.problem?.code === 'ENDED') {
    const { message, reason } = room.problem;
    text = `${message}${reason ? ` (${reason})` : ''}. Whoever writes here begins it anew.`;
    action = 'Leave';
  } else if (room?.problem) {
    text = `${explain(room.problem)}.`;
    action = 'Leave';
  }
  const banner = byId('banner');
  banner.hidden = text === '';
  banner.dataset.kind = action === 'Leave' ? 'room' : 'connection';
  // Countdowns are not read out; #state tells of the connection.
  banner.setAttribute('aria-live', action === 'Leave' ? 'polite' : 'off');
  if (byId('banner-text').textContent !== text) byId('banner-text').textContent = text;
  byId('banner-action').textContent = action;
  byId('banner-action').hidden = action === '';
}

// --- what the person does ------------------------------------------------------------------------

function typed(parsed) {
  if (parsed.problem) toasts.show(parsed.problem, 'error');
  else if (parsed.command) DO[parsed.command](parsed.argument);
  else say(parsed.text);
}

function say(text, options) {
  try {
    client.send(active, text, options);
  } catch (error) {
    failed(error);
  }
}

const DO = {
  help: () => toasts.show(helpLines().join('\n')),
  join: (room) => openRoom(room),
  leave: (room) => leave(room || active),
  me: (text) => say(text, { kind: 'action' }),
  async rooms(match) {
    try {
      const { rooms: found } = await client.directory({ match: match || undefined });
      const lines = found.map(({ room, online }) => `${room} (${online} online)`);
      toasts.show(lines.join('\n') || 'There is no such room.');
    } catch (error) {
      failed(error);
    }
  },
  users() {
    const room = client.room(active);
    const names = [...room.people.keys()].sort((a, b) => a.localeCompare(b));
    const shown = names.slice(0, 50).join(', ');
    toasts.show(`${plural(room.online, 'user', 'users')} here now: ${shown}`);
  },
};

function openDrawer(id) {
  const drawer = byId(id);
  if (window.getComputedStyle(drawer).position !== 'fixed') {
    // Beside the messages, where it is always open: the button hides and shows it.
    if (id === 'people-panel') document.body.toggleAttribute('data-people-hidden');
    return;
  }
  drawer.toggleAttribute('data-open', true);
  byId('shade').hidden = false;
  drawnDrawers();
  drawer.querySelector('.drawer-close').focus();
}

function closeDrawers() {
  for (const id of ['sidebar', 'people-panel']) byId(id).removeAttribute('data-open');
  byId('shade').hidden = true;
  drawnDrawers();
}

function drawnDrawers() {
  const open = (id) => String(byId(id).hasAttribute('data-open'));
  byId('open-sidebar').setAttribute('aria-expanded', open('sidebar'));
  byId('open-people').setAttribute('aria-expanded', open('people-panel'));
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  const words = `Theme: ${theme ?? 'as the system'}`;
  byId('theme').dataset.theme = theme ?? 'system';
  byId('theme').setAttribute('aria-label', words);
  byId('theme').title = words;
}

byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  signIn(byId('name').value.trim(), parameters.getAll('room'));
});
byId('join-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('room-input').value.trim();
  if (!name) return;
  byId('room-input').value = '';
  openRoom(name);
});
byId('sign-out').addEventListener('click', signOut);
byId('leave').addEventListener('click', () => leave(active));
byId('theme').addEventListener('click', () => {
  const theme = THEMES[store.loadTheme()] ?? null;
  store.saveTheme(theme);
  setTheme(theme);
});
byId('banner-action').addEventListener('click', () => {
  if (byId('banner').dataset.kind === 'room') leave(active);
  else client.connect();
});
byId('open-sidebar').addEventListener('click', () => openDrawer('sidebar'));
byId('open-people').addEventListener('click', () => openDrawer('people-panel'));
byId('shade').addEventListener('click', closeDrawers);
for (const button of document.querySelectorAll('.drawer-close')) {
  button.addEventListener('click', () => {
    closeDrawers();
    byId(button.dataset.close === 'sidebar' ? 'open-sidebar' : 'open-people').focus();
  });
}
byId('room-input').addEventListener('focus', loadDirectory);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') closeDrawers();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!event.altKey || !step || !client?.rooms.length) return;
  event.preventDefault();
  const names = client.rooms.map((room) => room.name);
  openRoom(names[(names.indexOf(active) + step + names.length) % names.length]);
});
document.addEventListener('visibilitychange', () => {
  const visible = document.visibilityState === 'visible';
  client?.look(visible ? active : null);
  if (visible) loadDirectory();
});
setInterval(() => {
  if (document.visibilityState === 'visible') loadDirectory();
}, DIRECTORY_EVERY_MS);

setTheme(store.loadTheme());
const wanted = parameters.get('user');
const remembered = store.loadName();
byId('name').value = wanted ?? remembered ?? '';
if (wanted ?? remembered) signIn(wanted ?? remembered, parameters.getAll('room'));
else showWelcome('');
