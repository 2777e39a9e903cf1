/**
 * Roles and their ranks.
 *
 * The one idea: owner above moderator above member above nobody; the store decides by the same
 * order, and here it only decides what is offered.
 */

const RANKS = new Map([
  ['owner', 3],
  ['moderator', 2],
  ['member', 1],
]);

/**
 * The higher, the more one may; 0: no member.
 * @param {string|null|undefined} role
 */
export const rank = (role) => RANKS.get(role ?? '') ?? 0;

/**
 * Whether somebody of this role moderates.
 * @param {string|null|undefined} role
 */
export const moderates = (role) => rank(role) >= 2;
