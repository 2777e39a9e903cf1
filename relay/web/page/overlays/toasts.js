/**
 * Short notices in a corner: errors, answers to slash commands.
 *
 * The one idea: the same notice twice is one notice, shown longer. They leave by themselves, unless
 * the pointer or the focus rests on them.
 *
 * It refuses to ask questions.
 */

const SHOWN_MS = 7000;
const MOST = 5;

export class Toasts {
  #box;
  #shown = new Map();

  constructor(box) {
    this.#box = box;
  }

  /**
   * Shows a notice.
   * @param {'error'|'info'} kind
   * @param {() => void} [open] what a click on it does
   */
  show(text, kind = 'info', open = null) {
    const known = this.#shown.get(text);
    if (known) return known.again();
    const toast = document.createElement('div');
    toast.className = `toast ${kind}`;
    if (kind === 'error') toast.setAttribute('role', 'alert');
    const words = document.createElement(open ? 'button' : 'p');
    words.className = 'toast-words';
    words.dir = 'auto';
    words.textContent = text;
    if (open) {
      words.type = 'button';
      words.addEventListener('click', () => {
        remove();
        open();
      });
    }
    const close = document.createElement('button');
    close.type = 'button';
    close.className = 'icon close';
    close.setAttribute('aria-label', 'Dismiss');
    toast.append(words, close);

    let timer = null;
    const remove = () => {
      clearTimeout(timer);
      this.#shown.delete(text);
      toast.remove();
    };
    const again = () => {
      clearTimeout(timer);
      const lines = text.split('\n').length;
      timer = setTimeout(
        () => {
          if (toast.matches(':hover, :focus-within')) again();
          else remove();
        },
        SHOWN_MS + lines * 1000,
      );
    };
    close.addEventListener('click', remove);
    this.#shown.set(text, { again, remove });
    this.#box.append(toast);
    again();
    if (this.#shown.size > MOST) this.#shown.values().next().value.remove();
    return undefined;
  }
}
