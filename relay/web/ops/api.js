/**
 * What the page asks of its relay, with the API key of the operator.
 *
 * The one idea: the key is a header that this page alone sets. No cookie is sent and none is set, so a
 * request that another page makes a browser send carries nothing.
 */

/** A request that failed. `status` 0: the relay does not answer. */
export class ApiError extends Error {
  constructor(status, { code = '', detail = '', message = detail, until_ms: untilMs = 0 } = {}) {
    super(message || `the relay answers ${status || 'nothing'}`);
    Object.assign(this, { status, code, untilMs });
  }
}

export class Api {
  #key;
  #fetch;

  /** @param {string} key @param {typeof fetch} fetch */
  constructor(key, fetch) {
    this.#key = key;
    this.#fetch = fetch;
  }

  /** The answer to one operation. @param {object} frame @param {AbortSignal} [signal] */
  async ask(frame, signal) {
    return opened(await this.#post(frame, signal));
  }

  /**
   * The answers to several, in their order: what was asked for, or the {@link ApiError}.
   * @param {object[]} frames @param {AbortSignal} [signal]
   */
  async askAll(frames, signal) {
    const replies = await this.#post(frames, signal);
    return replies.map((reply) => {
      try {
        return opened(reply);
      } catch (error) {
        return error;
      }
    });
  }

  /** GET of a path with parameters. @param {string} path @param {object} [query] */
  async get(path, query = {}, signal = undefined) {
    const given = Object.entries(query).filter(([, value]) => value !== null);
    const search = new URLSearchParams(given);
    const answer = await this.#send(given.length ? `${path}?${search}` : path, { signal });
    return (await checked(answer)).json();
  }

  /** A text that needs no key, whatever the status says. */
  async text(path, signal) {
    const answer = await this.#send(path, { signal }, {});
    return answer.text();
  }

  async #post(body, signal) {
    const headers = { ...this.#credential(), 'content-type': 'application/json' };
    const request = { method: 'POST', body: JSON.stringify(body), signal };
    return (await checked(await this.#send('v1', request, headers))).json();
  }

  #credential() {
    return { authorization: `Bearer ${this.#key}` };
  }

  async #send(path, request, headers = this.#credential()) {
    const fixed = { credentials: 'omit', cache: 'no-store', redirect: 'error' };
    try {
      return await this.#fetch(path, { ...fixed, ...request, headers });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError(0, { message: 'The relay does not answer' });
    }
  }
}

async function checked(answer) {
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new ApiError(answer.status, problem);
}

function opened({ ok, error }) {
  if (error) throw new ApiError(200, error);
  return ok;
}
