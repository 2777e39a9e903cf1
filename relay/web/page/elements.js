/**
 * Elements of the page that are not drawn from a template: those of index.html, and those that each item of a
 * text becomes.
 *
 * The one idea: a text given here is a text node there.
 */

/** An element with a class and a text. */
export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Writes a text, if it is another one. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
