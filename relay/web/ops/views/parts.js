/** Parts of several views: tables with pages, numbers in boxes. Every text given here is a text node there. */

import { html, nothing } from 'lit-html';

import { number } from '../words.js';

/** Rows of a page. */
export const PAGE = 50;

/**
 * A table. Each column is a title and what it shows of a row; `key` names the row for what looks for it.
 * @param {{list: string, columns: [string, (row: any) => unknown, string?][], rows: any[],
 *   key: (row: any) => string, empty?: string}} table
 */
export function table({ list, columns, rows, key, empty = 'None' }) {
  if (rows.length === 0) return html`<p class="quiet" data-list=${list}>${empty}</p>`;
  const head = columns.map(
    ([title, , kind = '']) => html`<th scope="col" class=${kind}>${title}</th>`,
  );
  const cells = (row) =>
    columns.map(([, show, kind = '']) => html`<td class=${kind} dir="auto">${show(row)}</td>`);
  return html`
    <div class="table">
      <table data-list=${list}>
        <thead><tr>${head}</tr></thead>
        <tbody>${rows.map((row) => html`<tr data-key=${key(row)}>${cells(row)}</tr>`)}</tbody>
      </table>
    </div>`;
}

/** The buttons of a list that has more pages than one. @param {(cursor: string|null) => void} turn */
export function pages({ cursor, isFirst }, turn) {
  if (isFirst && cursor === null) return nothing;
  return html`
    <p class="buttons">
      <button type="button" data-act="first" ?disabled=${isFirst} @click=${() => turn(null)}>First page</button>
      <button type="button" data-act="next" ?disabled=${cursor === null} @click=${() => turn(cursor)}>Next page</button>
    </p>`;
}

/** Numbers and words with their names. @param {[string, string, unknown][]} entries key, name, value */
export function numbers(entries) {
  const entry = ([key, name, value]) =>
    html`<div><dt>${name}</dt><dd data-value=${key} dir="auto">${value}</dd></div>`;
  return html`<dl class="numbers">${entries.map(entry)}</dl>`;
}

/** Counts by a word, the largest first, and how fast each has grown. */
export function counts({ list, title, rows }) {
  const columns = [
    [title, ({ word }) => word],
    ['Since the relay started', ({ count }) => number(count), 'number'],
    ['In the last minute', ({ lately }) => number(lately), 'number'],
  ];
  return table({ list, columns, rows, key: ({ word }) => word });
}

/** What an answer says, or why there is none. */
export function answered(answer, show) {
  if (answer === null) return html`<p class="quiet">…</p>`;
  return answer instanceof Error
    ? html`<p class="problem">${answer.code} ${answer.message}</p>`
    : show(answer);
}
