/**
 * Why an operation did not succeed.
 *
 * The one idea: one class for all, told apart by `code`.
 */

export class ChatError extends Error {
  /**
   * @param {string} code the relay's word (`BANNED`, `RATELIMIT`, …), or one of our own:
   *   `OFFLINE` not connected, `LOST` the connection broke before the answer, `TIMEOUT` no answer,
   *   `TOKEN` the application gave no token, `REFUSED` the relay takes no socket from this page
   * @param {string} message for people
   * @param {object} [details] the code's argument: `retry_ms`, `until_ms`, `max_bytes`, `what`
   */
  constructor(code, message, details = {}) {
    super(message || code);
    this.name = 'ChatError';
    this.code = code;
    this.details = details;
  }

  /** Milliseconds to wait before trying again, if the relay said so. */
  get retryMs() {
    return this.details.retry_ms;
  }
}
