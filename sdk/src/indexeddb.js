/**
 * A storage for unsent messages in IndexedDB: they outlive the tab and the browser.
 *
 *     createClient({ url, getToken, storage: indexedDbStorage() });
 */

const STORE = 'lines';

/**
 * @param {string} [name] of the database
 * @returns {import('./room/outgoing.js').LineStorage}
 */
export function indexedDbStorage(name = 'redis-chat') {
  /** @type {Promise<IDBDatabase>|null} */
  let opening = null;
  const open = () => {
    opening ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onsuccess = () => {
        // Another page, or the browser, may close it: then it is opened again.
        request.result.onclose = request.result.onversionchange = () => {
          request.result.close();
          opening = null;
        };
        resolve(request.result);
      };
      request.onerror = () => {
        opening = null;
        reject(request.error);
      };
    });
    return opening;
  };
  /**
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} ask
   * @returns {Promise<any>}
   */
  const run = async (mode, ask) => {
    const database = await open();
    return new Promise((resolve, reject) => {
      const request = ask(database.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  };
  return {
    getItem: async (key) => (await run('readonly', (store) => store.get(key))) ?? null,
    setItem: (key, value) => run('readwrite', (store) => store.put(value, key)),
    removeItem: (key) => run('readwrite', (store) => store.delete(key)),
  };
}
