/**
 * This relay, the nodes of Redis that it uses, and all relays that have announced themselves.
 *
 * The one idea: it is loaded again every few seconds while somebody looks. What a time is needed for, as
 * rates, comes of the readings of the last minute.
 */

import { html, nothing } from 'lit-html';

import { by, perSecond, quantile, read, total } from '../metrics.js';
import { atMost, number, relayOf, time } from '../words.js';
import { answered, counts, numbers, PAGE, pages, table } from './parts.js';

/** So long after an answer the next one is asked for. */
export const EVERY_MS = 3000;
const MINUTE_MS = 60_000;
const REFUSALS = 'chat_relay_operation_errors_total';
const CLOSES = 'chat_relay_closes_total';

/** @param {{api: import('../api.js').Api, signal: AbortSignal, before: any, cursors: object, now: number}} page */
export async function load({ api, signal, before, cursors, now }) {
  const cursor = cursors.relays ?? null;
  const relay = await api.get('ops/relay', {}, signal);
  const asked = { op: 'who', room: relay.room, count: PAGE };
  if (cursor !== null) asked.cursor = cursor;
  const [[relays], metrics, ready] = await Promise.all([
    api.askAll([asked], signal),
    api.text('metrics', signal),
    api.text('readyz', signal),
  ]);
  const readings = (before?.readings ?? []).filter(({ at }) => at > now - MINUTE_MS);
  readings.push({ at: now, reading: read(metrics) });
  // A room that nobody has made yet has no relays.
  const isEmpty = relays instanceof Error && relays.code === 'NOROOM';
  const none = { cursor: null, users: 0, list: [] };
  return { relay, ready: ready.trim(), relays: isEmpty ? none : relays, readings };
}

export function draw({ relay, ready, relays, readings }, { turn, cursors }) {
  return html`
    <h1>Relay <span data-value="relay">${relay.name}</span></h1>
    ${numbers(figures(relay, ready, readings))}
    <h2>Nodes of Redis</h2>
    ${nodes(relay.nodes)}
    <h2>Relays</h2>
    ${answered(relays, (page) => listed(page, (cursor) => turn('relays', cursor), cursors.relays))}
    <h2>Refusals of this relay, by code</h2>
    ${counts({ list: 'refusals', title: 'Code', rows: grown(readings, REFUSALS, 'code') })}
    <h2>Sockets that this relay closed, by reason</h2>
    ${counts({ list: 'closes', title: 'Reason', rows: grown(readings, CLOSES, 'reason') })}`;
}

function figures(relay, ready, readings) {
  const [first, last] = [readings.at(0), readings.at(-1)];
  const now = (name) => number(total(last.reading, name));
  const rate = (name) => number(perSecond(first, last, name));
  const lag = (part) => atMost(quantile(first, last, 'chat_relay_event_lag_seconds', part));
  const started = total(last.reading, 'process_start_time_seconds') * 1000;
  return [
    ['ready', 'Ready', ready],
    ['version', 'Version', relay.version],
    ['started', 'Started (UTC)', time(started)],
    ['connections', 'Connections', now('chat_relay_connections')],
    ['rooms', 'Rooms received', now('chat_relay_rooms')],
    ['received', 'Events per second', rate('chat_relay_events_received_total')],
    ['delivered', 'Deliveries per second', rate('chat_relay_events_delivered_total')],
    ['lag', 'Lag of half of the events', lag(0.5)],
    ['lag99', 'Lag of 99 of 100', lag(0.99)],
    ['waiting', 'Sends that wait', now('chat_relay_sends_waiting')],
    ['unproven', 'Slots that are away', now('chat_relay_slots_unproven')],
    ['defects', 'Defects', now('chat_relay_defects_total')],
  ];
}

function nodes(rows) {
  const state = ({ state, problem }) =>
    html`<span class=${state === 'open' ? 'good' : 'bad'}>${state}</span>${problem ? `: ${problem}` : nothing}`;
  const columns = [
    ['Primary', ({ address }) => address],
    ['Slots', ({ slots }) => number(slots), 'number'],
    ['State', state],
    ['There and back', ({ probe_ms: ms }) => (ms === null ? '–' : `${number(ms)} ms`), 'number'],
  ];
  return table({ list: 'nodes', columns, rows, key: ({ address }) => address });
}

function listed({ cursor, users, list }, turn, from = null) {
  const place = ({ link, address }) =>
    link ? html`<a href=${link} rel="noreferrer">${address}</a>` : address || '–';
  const columns = [
    ['Name', ({ name }) => name],
    ['Process', ({ process }) => process],
    ['Version', ({ version }) => version],
    ['Connections', ({ connections }) => number(connections), 'number'],
    ['Since (UTC)', ({ since }) => time(since), 'time'],
    ['Operators', place],
  ];
  const rows = list.map(relayOf);
  const empty = 'None has announced itself yet';
  return html`
    <p class="quiet"><span data-value="relays">${number(users)}</span> with --listen-ops</p>
    ${table({ list: 'relays', columns, rows, key: ({ process }) => process, empty })}
    ${pages({ cursor, isFirst: from === null }, turn)}`;
}

/** Counts by a label that are not 0, with what came between the first and the last reading. */
function grown(readings, name, label) {
  const [before, now] = [
    by(readings.at(0).reading, name, label),
    by(readings.at(-1).reading, name, label),
  ];
  return [...now]
    .filter(([, count]) => count > 0)
    .map(([word, count]) => ({ word, count, lately: Math.max(0, count - (before.get(word) ?? 0)) }))
    .sort((one, other) => other.count - one.count);
}
