/** Everything but the hooks in one file, for pages without a package manager: `dist/redis-chat.js`. */

export * from './index.js';
export * from './store.js';
