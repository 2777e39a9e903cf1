/**
 * The operators' page: who has signed in, what is shown, and when it is loaded.
 *
 * The one idea: one view is shown, and only it asks the relay, and only while somebody can see it. Leaving
 * a view, or the page, ends what it was asking for.
 *
 * It refuses to keep the key anywhere but in this tab, and to put it into an address.
 */

import { render } from 'lit-html';

import { setText } from '../page/elements.js';
import { Api } from './api.js';
import * as overview from './views/overview.js';
import * as room from './views/room.js';
import * as rooms from './views/rooms.js';
import * as user from './views/user.js';
import { linkTo, placeOf } from './words.js';

const VIEWS = { __proto__: null, overview, rooms, room, user };
const KEY = 'redis-chat-operators-key';

const at = (selector) => document.querySelector(selector);

class Page {
  #api = null;
  #place = placeOf(location.hash);
  #data = null;
  /** Cursors of the pages shown, by list. */
  #cursors = {};
  #typed = '';
  #asking = new AbortController();
  #timer = 0;

  start() {
    at('#sign-in').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#signIn(at('#key').value.trim());
    });
    at('#sign-out').addEventListener('click', () => this.#signOut(''));
    at('#refresh').addEventListener('click', () => this.#load());
    at('#open-form').addEventListener('submit', (event) => {
      event.preventDefault();
      location.hash = linkTo(at('#open-kind').value, at('#open').value.trim());
    });
    addEventListener('hashchange', () => this.#go());
    document.addEventListener('visibilitychange', () => this.#looked());
    const kept = sessionStorage.getItem(KEY);
    if (kept) this.#signIn(kept);
    else this.#signOut('');
  }

  async #signIn(key) {
    const api = new Api(key, (...request) => fetch(...request));
    try {
      await api.get('ops/relay');
    } catch (error) {
      this.#signOut(error.status === 401 ? 'This is no API key of this relay' : error.message);
      return;
    }
    sessionStorage.setItem(KEY, key);
    this.#api = api;
    at('#key').value = '';
    at('#welcome').hidden = true;
    at('#page').hidden = false;
    this.#go();
  }

  #signOut(why) {
    this.#rest();
    sessionStorage.removeItem(KEY);
    this.#api = null;
    this.#data = null;
    render('', at('#view'));
    at('#page').hidden = true;
    at('#welcome').hidden = false;
    setText(at('#key-problem'), why);
    at('#key').focus();
  }

  /** Shows what the address names. */
  #go() {
    this.#place = placeOf(location.hash);
    this.#data = null;
    this.#cursors = {};
    this.#typed = '';
    if (!this.#api) return;
    for (const link of document.querySelectorAll('nav a')) {
      const { view } = placeOf(link.hash);
      if (view === this.#place.view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    render('', at('#view'));
    scrollTo(0, 0);
    this.#load();
  }

  /** Nobody can see the page, or somebody can again. */
  #looked() {
    if (document.visibilityState === 'hidden') this.#rest();
    else if (this.#api) this.#load();
  }

  /** Asks for nothing more. */
  #rest() {
    this.#asking.abort();
    clearTimeout(this.#timer);
  }

  #shown(state) {
    Object.assign(at('#view').dataset, { view: this.#place.view, state });
  }

  async #load() {
    this.#rest();
    if (!this.#api || document.visibilityState === 'hidden') return;
    const asking = new AbortController();
    this.#asking = asking;
    const { name } = this.#place;
    const view = VIEWS[this.#place.view];
    this.#shown('loading');
    try {
      const question = { name, cursors: this.#cursors, typed: this.#typed, before: this.#data };
      const context = { api: this.#api, signal: asking.signal, now: Date.now() };
      this.#data = await view.load({ ...context, ...question });
      if (asking.signal.aborted) return;
      setText(at('#problem'), '');
      this.#draw();
      this.#shown('ready');
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#failed(error);
    }
    if (view.EVERY_MS) this.#timer = setTimeout(() => this.#load(), view.EVERY_MS);
  }

  #failed(error) {
    if (error.status === 401) return this.#signOut('The relay does not take this key any more');
    setText(at('#problem'), `${error.code ?? ''} ${error.message}`.trim());
    this.#shown('failed');
  }

  #draw() {
    const page = {
      name: this.#place.name,
      cursors: this.#cursors,
      typed: this.#typed,
      turn: (list, cursor) => {
        this.#cursors = { ...this.#cursors, [list]: cursor };
        this.#load();
      },
      find: (typed) => {
        this.#typed = typed;
        this.#cursors = {};
        this.#load();
      },
      showMessages: (before) => this.#showMessages(before),
      act: (frame) => this.#act(frame),
    };
    render(VIEWS[this.#place.view].draw(this.#data, page), at('#view'));
  }

  async #showMessages(before) {
    const { signal } = this.#asking;
    const context = { api: this.#api, signal, name: this.#place.name, before };
    const messages = await room.loadMessages(context).catch((error) => error);
    if (signal.aborted) return;
    if (messages.status === 401) return this.#failed(messages);
    this.#data = { ...this.#data, messages };
    this.#draw();
  }

  /** Does something that was confirmed, and shows what has become of it. */
  async #act(frame) {
    try {
      await this.#api.ask(frame);
    } catch (error) {
      return this.#failed(error);
    }
    await this.#load();
  }
}

new Page().start();
