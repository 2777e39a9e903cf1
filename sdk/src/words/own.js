/**
 * Objects that came as JSON, asked by a name that people chose.
 *
 * The one idea: a room or a user may be called like a property that every object has (`constructor`,
 * `__proto__`), so only an object's own properties count. What the page itself keeps by such names
 * is a Map.
 */

/**
 * The value of an object's own property; undefined: it has none, or is no object.
 * @param {any} object
 * @param {string} name
 * @returns {any}
 */
export const own = (object, name) =>
  object !== null && typeof object === 'object' && Object.hasOwn(object, name)
    ? object[name]
    : undefined;
