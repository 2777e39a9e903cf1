/**
 * The page: joins the client (sdk/), the views and the person.
 *
 * The one idea: everything shown follows from the client's events; the page keeps only who is
 * signed in and which room is looked at.
 *
 * It refuses to hold messages and to speak the wire protocol.
 */

import { render } from 'lit-html';

import {
  createClient,
  createRoomStore,
  directRoom,
  foldedName,
  learnRoles,
  nameProblem,
  otherSide,
  stateOf,
} from '../sdk.js';
import { makeActs } from './acts.js';
import { Attention } from './attention.js';
import { ComposeView } from './compose/compose-view.js';
import { loadConfiguration, tokenGetter } from './configuration.js';
import { makeDoing } from './doing.js';
import { lastOwn, mayDo } from './messages/message-doing.js';
import { MessageTools } from './messages/message-tools.js';
import { FIRST_ROOM, MessagesView } from './messages/messages-view.js';
import { SearchView } from './messages/search-view.js';
import { Banner } from './overlays/banner.js';
import { Toasts } from './overlays/toasts.js';
import { avatar } from './people/avatar.js';
import { showPeople } from './people/member-lists.js';
import { PeopleView } from './people/people-view.js';
import { openStatusMenu, statusProblem, statusWords } from './people/status-menu.js';
import { RoomHead } from './rooms/room-head.js';
import { RoomList } from './rooms/room-list.js';
import { openRoomMenu } from './rooms/room-menu.js';
import { closeDrawers, setUpShell, showChat, showWelcome } from './shell.js';
import * as store from './store.js';
import { dayOf, explain, plural } from './words.js';

const NO_TOKENS =
  'This relay lets users in by tokens, and names no endpoint (--page-token-url) that gives them.';
const STATE_WORDS = { connected: 'Connected', connecting: 'Connecting…', offline: 'Offline' };
/** While the relay answers and what is behind it does not. */
const WORKS_WORDS = {
  back: '',
  writes_refused: ', but nothing can be stored',
  away: ', but the server is away',
};

const byId = (id) => document.getElementById(id);
const isVisible = () => document.visibilityState === 'visible';

let client = null;
let active = null;
let roomsTimer = null;
/** The message that the address names, until its room is there. */
let wantedMessage = null;
/** Whether the room was opened while there was no connection. */
let isUnlearned = false;
/** Whether nothing is known of rooms of this user: the first inbox tells whether there are any. */
let isFirstVisit = false;

const toasts = new Toasts(byId('toasts'));
const attention = new Attention(store.loadStatus(), () => showStatus());
const failed = (error) => toasts.show(`${explain(error)}.`, 'error');
/** What to call somebody. The backend alone is called Server. */
const nameOf = (user) => {
  const name = client?.names.nameOf(user) ?? user;
  return foldedName(name) === 'server' ? `${name} (@${user})` : name;
};
const avatarOf = (user) => client?.names.of(user)?.avatar;
/** The followed room of this name, to do something there; or null. */
const roomOf = (name) => client?.get(name) ?? null;
/** What is known of the room looked at; or null. */
const activeRoom = () => (roomOf(active) ? stateOf(roomOf(active)) : null);

const messages = new MessagesView(
  {
    scroller: byId('scroller'),
    list: byId('messages'),
    older: byId('older'),
    toEnd: byId('to-end'),
    empty: byId('empty'),
  },
  {
    older: () => createRoomStore(roomOf(active)).older().catch(failed),
    quoted: (id) => createRoomStore(roomOf(active)).quoted(id),
    atEnd: () => haveSeen(),
    nameOf,
    avatarOf,
  },
);
const tools = new MessageTools(byId('messages'), {
  may: (item) => mayDo(activeRoom(), item),
  act: (name, item, more) => acts.act(name, item, more),
  leave: () => byId('compose').focus(),
});
const people = new PeopleView(
  {
    list: byId('people'),
    count: byId('people-count'),
    more: byId('people-more'),
    typing: byId('typing'),
  },
  {
    nameOf,
    avatarOf,
    open: (user) => openRoom(directRoom(client.user, user)),
    menu: (user, anchor) => acts.openPerson(user, anchor),
  },
);
const rooms = new RoomList(
  {
    rooms: byId('rooms'),
    directory: byId('directory'),
    note: byId('directory-note'),
    input: byId('room-input'),
    menu: byId('open-sidebar'),
  },
  { open: (room) => openRoom(room), nameOf, avatarOf, learned: () => drawAbout() },
);
const search = new SearchView(
  {
    bar: byId('search'),
    field: byId('search-field'),
    count: byId('search-count'),
    before: byId('search-before'),
    after: byId('search-after'),
    close: byId('search-close'),
    list: byId('messages'),
  },
  {
    goTo: (item) => messages.lookAt(item),
    elementOf: (item) => messages.elementOf(item),
    nameOf,
    closed: () => compose.focus(),
  },
);
const compose = new ComposeView(
  {
    form: byId('compose-form'),
    field: byId('compose'),
    button: byId('send'),
    choices: byId('choices'),
    about: byId('compose-about'),
    aboutText: byId('compose-about-text'),
    aboutEnd: byId('compose-about-end'),
    note: byId('compose-note'),
    count: byId('compose-count'),
    countSaid: byId('compose-count-said'),
    emoji: byId('emoji'),
  },
  {
    input: (parsed, reply) => {
      if (parsed.problem) toasts.show(parsed.problem, 'error');
      else if (parsed.command) doing(parsed.command, parsed.argument);
      else acts.say(parsed.text, reply ? { replyTo: reply } : {});
    },
    edit: (id, text) => acts.change(id, text),
    editLast: () => {
      const item = lastOwn(activeRoom());
      if (item) acts.act('edit', item);
    },
    leaveUp: () => byId('messages').lastElementChild?.focus(),
    typing: () => roomOf(active)?.typing(),
    people: () => acts.knownPeople(),
    learnPeople: (typed) => acts.learnPeople(typed),
    mostBytes: () => activeRoom()?.maxText ?? null,
    tooLong: (bytes) => toasts.show(`This is ${plural(bytes, 'byte', 'bytes')} too long.`, 'error'),
    loadDraft: (room) => store.loadDraft(client.user, room),
    saveDraft: (room, text) => store.saveDraft(client.user, room, text),
  },
);
const banner = new Banner(
  { box: byId('banner'), text: byId('banner-text'), action: byId('banner-action') },
  { connect: () => client.connect(), leave: () => leave(active), join: () => joinQuietly(active) },
);

const getUrl = (...request) => fetch(...request);
const configuration = await loadConfiguration(window.location, getUrl);
const head = new RoomHead(
  { title: byId('room-title'), about: byId('room-about'), leave: byId('leave') },
  { rooms, compose, banner },
);
const acts = makeActs({
  client: () => client,
  here: () => roomOf(active),
  room: activeRoom,
  messages,
  compose,
  toasts,
  failed,
  nameOf,
  open: (room) => openRoom(room),
});

// --- signing in and out --------------------------------------------------------------------------

function signIn(name, wantedRooms = []) {
  const { relays: urls, auth, tokenUrl } = configuration;
  const problem = nameProblem(name) || (auth === 'jwt' && !tokenUrl ? NO_TOKENS : '');
  showWelcome(problem);
  if (problem) return;
  try {
    const getToken = tokenUrl ? tokenGetter(tokenUrl, name, getUrl) : undefined;
    client = createClient({ urls, user: name, getToken, connect: false });
  } catch (error) {
    showWelcome(`${error.message}.`);
    return;
  }
  store.saveName(name);
  showChat();
  drawSelf();
  showStatus();
  listenTo(client);
  rooms.signIn(client);
  const known = store.loadRooms(name);
  const isNew = (room) => !known.rooms.includes(room);
  const written = [...wantedRooms.filter(isNew), ...client.unsentRooms()];
  const all = new Set([...known.rooms, ...written]);
  isFirstVisit = all.size === 0;
  for (const room of all) {
    if (written.includes(room)) joinQuietly(room);
    else rooms.followQuietly(room);
  }
  show(wantedRooms.at(-1) ?? (all.has(known.active) ? known.active : ([...all][0] ?? null)));
  client.connect();
  compose.focus();
}

function listenTo(one) {
  const on = (name, hear) =>
    one.on(name, (detail) => {
      if (client === one) hear(detail);
    });
  on('status', drawState);
  on('rooms', () => {
    rememberRooms();
    drawRooms();
    if (active !== null && !roomOf(active)) show(rooms.first());
  });
  on('inbox', () => {
    rooms.followInbox();
    if (active === null) show(rooms.first());
    if (isFirstVisit && client.followed.length === 0) openRoom(FIRST_ROOM);
    isFirstVisit = false;
  });
  on('room', ({ room, changes }) => drawRoom(stateOf(room), changes));
  on('upstream', () => {
    drawWorks();
    drawAbout();
  });
  on('notice', noticed);
  on('contact', () => {
    drawRooms();
    drawAbout();
  });
  on('profiles', ({ users }) => {
    messages.rename();
    people.draw();
    drawRooms();
    drawAbout();
    if (users.includes(client.user)) drawSelf();
  });
  on('problem', ({ room, error }) => toasts.show(`${room.name}: ${explain(error)}.`, 'error'));
}

/** Nothing of this user stays on the page. */
function signOut(problem = '') {
  client.close();
  client = null;
  active = null;
  store.saveName(null);
  rooms.signOut();
  toasts.clear();
  attention.choose('');
  store.saveStatus('');
  show(null);
  showWelcome(problem);
}

// --- rooms ---------------------------------------------------------------------------------------

function joinQuietly(name) {
  const joining = client;
  const isDirect = otherSide(name, client.user) !== null;
  return (isDirect ? joining.subscribe(name) : joining.join(name)).then(
    () => true,
    (error) => {
      if (client !== joining || error.code === 'LEFT') return false;
      const isClosed = error.code === 'NOTMEMBER' || error.details?.what === 'moderator';
      const words =
        isClosed && !isDirect
          ? 'Only members may enter. Its moderators can add you'
          : explain(error);
      toasts.show(`${name}: ${words}.`, 'error');
      return false;
    },
  );
}

function openRoom(typedName) {
  const name =
    typedName.startsWith('@') && typedName.length > 1
      ? directRoom(client.user, typedName.slice(1))
      : typedName;
  rooms.bringBack(name);
  if (!roomOf(name)) joinQuietly(name).then(() => rooms.loadDirectory());
  show(name);
  closeDrawers();
  compose.focus();
}

/** Looks at a room that is followed, or at none. */
function show(name) {
  active = name;
  noteRoom(name);
  const room = activeRoom();
  client?.look(isVisible() ? name : null);
  messages.show(room);
  people.show(room);
  search.show(room);
  compose.show(room ? name : null, room ? rooms.labelOf(room.name) : '');
  drawAbout();
  drawRooms();
  if (client) rememberRooms();
  if (room && room.cursor !== null) learnAbout(room);
}

/** The address names the room, so that it can be shared, and Back leads to the room before. */
function noteRoom(name) {
  const before = new URLSearchParams(window.location.search).get('room');
  const isStep = before !== null && name !== null && before !== name;
  if (isStep) window.history.pushState(null, '', addressOf(name));
  else window.history.replaceState(null, '', addressOf(name));
}

/** The page's address with this room. It names no user. */
function addressOf(name) {
  const url = new URL(window.location);
  url.searchParams.delete('user');
  if (url.searchParams.get('room') === name) return url;
  url.searchParams.delete('room');
  url.searchParams.delete('message');
  if (name !== null) url.searchParams.set('room', name);
  return url;
}

/** Back and Forward lead to rooms that are followed; to others, which were left, they do not lead. */
function goBack() {
  if (!client) return;
  const name = roomsOfAddress().at(-1) ?? null;
  if (name !== active && roomOf(name)) openRoom(name);
  else window.history.replaceState(null, '', addressOf(active));
}

const roomsOfAddress = () => new URLSearchParams(window.location.search).getAll('room');

/** What a room is and who is who there is asked when somebody looks at it, or once there is a connection. */
function learnAbout(room) {
  isUnlearned = client.connection.state !== 'connected';
  if (room.isDirect || room.problem || isUnlearned) return;
  const followed = roomOf(room.name);
  Promise.all([client.room(room.name), learnRoles(followed)]).catch(() => {});
  createRoomStore(followed).notices();
}

async function leave(name) {
  try {
    rooms.putAway(name);
    await roomOf(name)?.leave();
  } catch (error) {
    failed(error);
    return;
  }
  if (active === name) show(rooms.first());
  rooms.loadDirectory();
}

/** Goes to the message that the address names. */
function goToWanted() {
  if (wantedMessage === null) return;
  acts.goTo(wantedMessage).catch(failed);
  wantedMessage = null;
}

/** The reader has seen the end of the room. */
function haveSeen() {
  if (client && active !== null && isVisible() && messages.atEnd) roomOf(active)?.read();
}

function drawRoom(room, changes) {
  const kinds = new Set(changes.map(({ what }) => what));
  if (room.name === active) {
    const items = changes.filter(({ what }) => what !== 'people' && what !== 'typing');
    if (items.length) messages.change(items);
    if (kinds.has('people') || kinds.has('about')) people.draw();
    if (kinds.has('typing')) people.drawTyping();
    drawAbout();
    for (const { what, item } of changes) {
      if (what === 'update' && item.deleted !== null) compose.lost(item.id);
    }
    if (kinds.has('update')) tools.refresh();
    if (items.length) search.again();
    if (kinds.has('replace')) {
      learnAbout(room);
      goToWanted();
    }
  }
  if (kinds.has('about') || kinds.has('append') || kinds.has('replace')) drawRooms();
}

/** Draws the list of rooms, once for all that has changed in a moment. */
function drawRooms() {
  if (roomsTimer !== null) return;
  roomsTimer = setTimeout(() => {
    roomsTimer = null;
    drawRoomsNow();
  }, 20);
}

function drawRoomsNow() {
  const unread = rooms.draw(active);
  const where = active ? `${rooms.labelOf(active)} · redis-chat` : 'redis-chat';
  document.title = unread > 0 ? `(${unread}) ${where}` : where;
}

function rememberRooms() {
  const names = client.followed.filter(({ error }) => !error).map((room) => room.name);
  store.saveRooms(client.user, { rooms: names, active });
}

/** Draws what stands around the conversation. */
function drawAbout() {
  const room = activeRoom();
  const works = client?.upstream.of(room?.name) ?? 'back';
  head.draw(room, client?.connection ?? { state: 'connected' }, works);
}

// --- the connection ------------------------------------------------------------------------------

function drawState() {
  const { state, close, hello } = client.connection;
  if (state === 'offline' && close?.name === 'unauthorised') {
    signOut(
      configuration.tokenUrl && close.what !== 'user'
        ? 'The relay does not accept the token of the application.'
        : 'The relay does not accept this name.',
    );
    return;
  }
  const element = byId('state');
  const before = element.dataset.state;
  element.dataset.state = state;
  drawWorks();
  byId('relay').textContent = state === 'connected' ? (hello?.relay ?? '') : '';
  byId('relay-label').hidden = state !== 'connected' || !hello?.relay;
  drawAbout();
  if (state !== 'connected' || before === 'connected') return;
  // Rooms that this relay makes everybody a member of at login.
  for (const room of hello.joined ?? []) {
    if (!roomOf(room)) joinQuietly(room);
  }
  if (active === null && client.followed.length) show(client.followed[0].name);
  else if (isUnlearned && activeRoom()) learnAbout(activeRoom());
  rooms.loadDirectory();
}

/** Whether there is a connection, and what it is worth. */
function drawWorks() {
  const { state } = client.connection;
  const works = state === 'connected' ? client.upstream.of() : 'back';
  const element = byId('state');
  element.dataset.works = works;
  element.textContent = STATE_WORDS[state] + WORKS_WORDS[works];
}

/** A notice of the relay: somebody means us, in a room we may not be looking at. */
function noticed({ kind, room, from, role }) {
  if (kind === 'role') {
    rooms.bringBack(room);
    const wasNone = (roomOf(room)?.role ?? null) === null;
    const words =
      role === 'member' && wasNone
        ? `${nameOf(from)} added you to ${rooms.labelOf(room)}`
        : `${nameOf(from)} made you ${role} of ${rooms.labelOf(room)}`;
    toasts.show(words, 'info', () => openRoom(room));
    return;
  }
  if (kind !== 'mention' && kind !== 'direct') return;
  rooms.bringBack(room);
  if ((room === active && isVisible()) || attention.chosen === 'dnd') return;
  const words =
    kind === 'direct'
      ? `${nameOf(from)} wrote to you`
      : `${nameOf(from)} mentioned you in ${rooms.labelOf(room)}`;
  toasts.show(words, 'info', () => openRoom(room));
}

// --- what the person does ------------------------------------------------------------------------

const doing = makeDoing({
  client: () => client,
  people: (title, list) =>
    showPeople(title, list, { nameOf, avatarOf, renamed: (hear) => client.on('profiles', hear) }),
  room: activeRoom,
  active: () => active,
  open: openRoom,
  leave,
  say: acts.say,
  chooseStatus,
  moderate: acts.moderate,
  invite: acts.invite,
  block: acts.block,
  failed,
  tell: (words) => toasts.show(words),
  search: (words) => search.open(words || undefined),
});

/** Tells others the status that holds now, and shows it. */
function showStatus() {
  const { status } = attention;
  byId('me-status').textContent = statusWords(status);
  byId('me-status').dataset.status = status;
  client?.status(status).catch(() => {});
}

function chooseStatus(words) {
  const problem = statusProblem(words);
  if (problem) {
    toasts.show(problem, 'error');
    return;
  }
  attention.choose(words);
  store.saveStatus(attention.chosen);
  showStatus();
}

function drawSelf() {
  const name = nameOf(client.user);
  byId('me-name').textContent = name;
  render(avatar(client.user, name, avatarOf(client.user)), byId('me-avatar'));
}

// --- setting up ----------------------------------------------------------------------------------

setUpShell();
byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  signIn(byId('name').value.trim(), roomsOfAddress());
});
byId('join-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('room-input').value.trim();
  if (!name) return;
  byId('room-input').value = '';
  openRoom(name);
});
byId('me').addEventListener('click', () => {
  const others = [
    { label: 'Choose a picture…', act: () => doing('picture', '') },
    { label: 'People you block…', act: () => doing('blocks', '') },
  ];
  if (avatarOf(client.user)) {
    others.splice(1, 0, { label: 'Take my picture away', act: () => doing('picture', 'none') });
  }
  openStatusMenu(byId('me'), attention.chosen, chooseStatus, others);
});
byId('sign-out').addEventListener('click', () => signOut());
byId('leave').addEventListener('click', () => leave(active));
byId('open-search').addEventListener('click', () => search.open());
byId('open-room-menu').addEventListener('click', () => {
  const set = (fields) => client.room(active, { set: fields }).catch(failed);
  openRoomMenu(byId('open-room-menu'), activeRoom(), doing, set, acts.strangers());
});
window.addEventListener('popstate', goBack);
// A timer until midnight would be late on a device that slept.
let today = dayOf(Date.now());
setInterval(() => {
  if (dayOf(Date.now()) === today) return;
  today = dayOf(Date.now());
  messages.newDay();
}, 30_000);
document.addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!event.altKey || !step || !client) return;
  event.preventDefault();
  const next = rooms.beside(active, step);
  if (next) openRoom(next);
});
document.addEventListener('visibilitychange', () => {
  client?.look(isVisible() ? active : null);
  if (!isVisible()) return;
  rooms.loadDirectory();
  client?.inbox.refresh();
  haveSeen();
});

const parameters = new URLSearchParams(window.location.search);
wantedMessage = parameters.get('message');
const wanted = parameters.get('user');
const remembered = store.loadName();
// What is written before anybody listens would be lost.
for (const id of ['name', 'connect']) byId(id).disabled = false;
byId('name').value = wanted ?? remembered ?? '';
if (wanted ?? remembered) signIn(wanted ?? remembered, roomsOfAddress());
else showWelcome('');
