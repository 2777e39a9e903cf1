/**
 * The mark of a person beside what they say: a picture of theirs, or the first letter of the name.
 *
 * The one idea: a picture from another host would tell that host who looks at this page, and when. So
 * only those are shown that are in the profile itself, or on the host of the page.
 */

import { make, setText } from '../elements.js';
import { hue, initial } from '../words.js';

/** A profile's picture as an address that may be shown; null: there is none. */
export function pictureOf(avatar, base = document.baseURI) {
  if (typeof avatar !== 'string' || !URL.canParse(avatar, base)) return null;
  const url = new URL(avatar, base);
  const isHere =
    avatar !== '' && url.origin === new URL(base).origin && /^https?:$/.test(url.protocol);
  const isInside = url.protocol === 'data:' && url.pathname.startsWith('image/');
  return isHere || isInside ? url.href : null;
}

/** An element for the mark of somebody. */
export function makeAvatar() {
  const element = make('span', 'avatar');
  element.setAttribute('aria-hidden', 'true');
  return element;
}

/**
 * Shows somebody's mark.
 * @param {HTMLElement} element
 * @param {string} user
 * @param {string} name what they are called
 * @param {unknown} avatar what their profile says
 */
export function dressAvatar(element, user, name, avatar) {
  const picture = pictureOf(avatar);
  setText(element, picture === null ? initial(name) : '');
  const image = picture === null ? '' : `url(${JSON.stringify(picture)})`;
  if (element.picture === image && element.user === user) return;
  Object.assign(element, { picture: image, user });
  element.style.setProperty('--hue', hue(user));
  element.style.backgroundImage = image;
}
