/**
 * Making elements of the page.
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

/** A button that submits nothing. */
export function makeButton(className, text, label) {
  const button = make('button', className, text);
  button.type = 'button';
  if (label) {
    button.setAttribute('aria-label', label);
    button.title = label;
  }
  return button;
}

/** Writes a text, if it is another one. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The element of this class directly in `parent`, made by `build` if it is wanted and missing. */
export function keep(parent, className, isWanted, build) {
  const known = parent.querySelector(`:scope > .${className}`);
  if (!isWanted) {
    known?.remove();
    return null;
  }
  return known ?? build();
}

/** Sets or takes away an attribute. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
