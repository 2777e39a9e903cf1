/**
 * The ordinary rooms, last active first, a page at a time, and those whose names fit.
 *
 * The one idea: the store keeps rooms in the order of their last activity, so a page costs its rows. Rooms
 * that are not shown cost as much, so pages are asked for until one shows something, and never more than a few
 * at once.
 */

import { html, nothing } from 'lit-html';

import { linkTo, momentOf, number, patternOf, time } from '../words.js';
import { PAGE, pages, table } from './parts.js';

/** Pages that are asked for at once, before the operator says whether to go on. */
const PAGES_SEARCHED = 10;
/** Rooms that a page of a search looks at. */
const SEARCHED = 200;

export async function load({ api, signal, cursors, typed }) {
  const match = patternOf(typed);
  const frame = { op: 'rooms', count: match === null ? PAGE : SEARCHED };
  if (match !== null) frame.match = match;
  let cursor = cursors.rooms ?? null;
  for (let page = 1; ; page += 1) {
    const asked = cursor === null ? frame : { ...frame, cursor };
    const found = await api.ask(asked, signal);
    const isEnough = found.rooms.length > 0 || page === PAGES_SEARCHED;
    if (isEnough || found.cursor === null) return found;
    cursor = found.cursor;
  }
}

export function draw({ rooms, cursor, incomplete }, { turn, cursors, typed, find }) {
  const name = ({ room }) => html`<a href=${linkTo('room', room)}>${room}</a>`;
  const columns = [
    ['Room', name],
    ['Last active (UTC)', ({ last }) => time(momentOf(last)), 'time'],
    ['Members', ({ members }) => number(members), 'number'],
    ['Online', ({ online }) => number(online), 'number'],
    ['Topic', ({ topic }) => topic],
  ];
  const submit = (event) => {
    event.preventDefault();
    find(event.target.elements.find.value.trim());
  };
  const isFirst = (cursors.rooms ?? null) === null;
  const empty = cursor === null ? 'None' : 'None so far: the next page goes on';
  return html`
    <h1>Rooms</h1>
    <form class="find" role="search" @submit=${submit}>
      <label for="find" class="unseen">Part of a name, or a pattern</label>
      <input id="find" name="find" maxlength="198" autocomplete="off" spellcheck="false" .value=${typed}
             placeholder="Part of a name, or a pattern like team-*">
      <button type="submit">Search</button>
    </form>
    <p class="quiet">Ordinary rooms, last active first. Open personal (@user) and direct (dm:a,b) rooms by name.</p>
    ${incomplete ? html`<p class="problem">Nodes are away: their rooms are missing.</p>` : nothing}
    ${table({ list: 'rooms', columns, rows: rooms, key: ({ room }) => room, empty })}
    ${pages({ cursor, isFirst }, (next) => turn('rooms', next))}`;
}
