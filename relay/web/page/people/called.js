/**
 * Who is meant by a name, however its letters are written.
 *
 * The one idea: users may differ in letter case alone. Who is written exactly is meant; else the first who
 * is called so but for the case.
 */

export const folded = (name) => name.toLocaleLowerCase();

/**
 * @param {Iterable<string>} users
 * @returns {(name: string) => string|null} the user who is called so; null: nobody is
 */
export function calledIn(users) {
  const exact = new Set(users);
  const loose = new Map();
  for (const user of exact) if (!loose.has(folded(user))) loose.set(folded(user), user);
  return (name) => (exact.has(name) ? name : (loose.get(folded(name)) ?? null));
}
