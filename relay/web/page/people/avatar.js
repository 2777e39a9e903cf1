/**
 * The mark of a person beside what they say: a picture of theirs, or the first letter of the name.
 *
 * The one idea: the browser of everybody who sees a person fetches and draws what that person chose. A
 * picture from another host would tell that host who looks at this page, and when. An address of this host
 * could be any request, with the viewer's cookies. A small SVG, or one of a billion pixels, can hold the page
 * up for minutes. So only two are shown: a small picture made of pixels in the profile itself, and a file of
 * this host whose name says that it is one.
 */

import { html } from 'lit-html';

import { hue, initial } from '../words.js';
import { sizeOf } from './picture-size.js';

/** Pixels of an edge. */
const EDGE_MOST = 512;
const INSIDE = /^data:image\/(?:png|jpeg|webp|gif);base64,([A-Za-z0-9+/]+={0,2})$/;
const FILE = /^[^?#]+\.(?:png|jpe?g|webp|gif|avif)$/i;

/** A profile's picture as an address that may be shown; null: there is none. */
export function pictureOf(avatar, base = document.baseURI) {
  if (typeof avatar !== 'string' || !URL.canParse(avatar, base)) return null;
  if (avatar.startsWith('data:')) return isSmall(avatar) ? avatar : null;
  const url = new URL(avatar, base);
  return url.origin === new URL(base).origin && FILE.test(url.href) ? url.href : null;
}

/** Whether a `data:` address holds a picture of few pixels. */
function isSmall(address) {
  const [, base64] = INSIDE.exec(address) ?? [];
  if (base64 === undefined || base64.length % 4 !== 0) return false;
  const size = sizeOf(Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0)));
  return size !== null && Math.max(size.width, size.height) <= EDGE_MOST;
}

/**
 * Somebody's mark, as a template.
 * @param {string} user
 * @param {string} name what they are called
 * @param {unknown} picture what their profile says
 */
export function avatar(user, name, picture) {
  const url = pictureOf(picture);
  const image = url === null ? '' : `background-image: url(${JSON.stringify(url)})`;
  return html`<span class="avatar" aria-hidden="true" .style=${`--hue: ${hue(user)}; ${image}`}
      >${url === null ? initial(name) : ''}</span>`;
}
