/**
 * Roles and their ranks.
 *
 * The one idea: owner above moderator above member above nobody; the store decides by the same
 * order, and here it only decides what is offered.
 */

const RANKS = { __proto__: null, owner: 3, moderator: 2, member: 1 };

/** The higher, the more one may; 0: no member. */
export const rank = (role) => RANKS[role] ?? 0;

/** Whether somebody of this role moderates. */
export const moderates = (role) => rank(role) >= RANKS.moderator;
