/** The worker that holds the one socket of several tabs; see shared.js. */

import { portOf } from './shared/carriers.js';
import { Hub } from './shared/hub.js';
import { serve } from './shared/socket.js';

const hub = new Hub();
globalThis.addEventListener('connect', (/** @type {any} */ { ports: [port] }) => {
  serve(hub, portOf(port));
});
