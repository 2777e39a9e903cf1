/**
 * Makes the files that relays embed: of the client `sdk/dist/redis-chat.js`, which they serve as `/sdk.js`;
 * of the page, in `relay/web/dist`, its script and styles, the names of all emoji, and the licences of what
 * others wrote; and the script and styles of the operators' page.
 *
 *     node sdk/bundle.mjs           writes them
 *     node sdk/bundle.mjs --check   fails if one is not what the sources make, or if an entry of the client is
 *                                   too big
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

/** Bytes that an entry of the client may have, minified and compressed; null: only told. */
const BUDGETS = [
  ['index.js', 22_000],
  ['store.js', null],
  ['react.js', null],
  ['shared.js', null],
];
/** What an application has once, whichever entries it uses. */
const SHARED = ['./index.js', './client/*', './link/*', './room/*', './words/*', 'react'];
const BANNER = '/* redis-chat, the JavaScript client; MIT licence */';
const WEB = 'relay/web/dist';
/** Parts of emoji, as skin tones: nothing that one chooses. */
const COMPONENTS = 2;

const root = fileURLToPath(new URL('..', import.meta.url));
const isCheck = process.argv.includes('--check');
/** Folders of packages that are in the bundles. */
const packages = new Set(['node_modules/emojibase-data']);

/** The page's modules import `sdk.js` from wherever they are; the bundle has it beside it. */
function keepClient(bundle) {
  bundle.onResolve({ filter: /(^|\/)sdk\.js$/ }, () => ({ path: './sdk.js', external: true }));
}

async function bundled(from, more = {}) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [from],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    metafile: true,
    write: false,
    ...more,
  });
  for (const path of Object.keys(metafile.inputs)) {
    const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [];
    if (folder) packages.add(folder);
  }
  return outputFiles[0].contents;
}

/** What the page chooses emoji from: [group, [emoji, its name and other words][]][]. */
function emoji() {
  const read = (name) =>
    JSON.parse(readFileSync(`${root}node_modules/emojibase-data/en/${name}.json`, 'utf8'));
  const groups = read('messages').groups.filter(({ order }) => order !== COMPONENTS);
  const all = read('compact').filter(({ group }) => group !== undefined);
  all.sort((a, b) => a.order - b.order);
  const listed = groups.map(({ order, message }) => {
    const entries = all.filter(({ group }) => group === order);
    const name = message[0].toUpperCase() + message.slice(1);
    return [name, entries.map(({ unicode, label, tags = [] }) => [unicode, findable(label, tags)])];
  });
  return Buffer.from(JSON.stringify(listed));
}

/** A name and the words that find it. A word that is part of another one finds nothing more. */
function findable(label, tags) {
  const words = [...new Set(tags.join(' ').split(' '))].filter((word) => !label.includes(word));
  const rest = words.filter((word) => !words.some((one) => one !== word && one.includes(word)));
  return `${label};${rest.join(' ')}`;
}

/** The licences of the packages that are in the bundles. */
function licences() {
  const texts = [...packages].sort().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(`${root}${folder}/package.json`, 'utf8'));
    const file = readdirSync(root + folder).find((one) => /^licen[cs]e/i.test(one));
    if (!file) fail(`${folder} has no file with its licence`);
    return `${name} ${version}\n\n${readFileSync(`${root}${folder}/${file}`, 'utf8').trim()}\n`;
  });
  return Buffer.from(
    `The page contains these packages.\n\n${texts.join(`\n${'-'.repeat(70)}\n\n`)}`,
  );
}

function keep(path, made) {
  if (isCheck) {
    const isFresh = Buffer.from(made).equals(readIfThere(root + path));
    if (!isFresh) fail(`${path} is not what the sources make: npm run bundle`);
    return;
  }
  mkdirSync(dirname(root + path), { recursive: true });
  writeFileSync(root + path, made);
}

keep('sdk/dist/redis-chat.js', await bundled('sdk/src/bundle.js', { banner: { js: BANNER } }));
// The client is served beside it, to applications too.
const plugins = [{ name: 'client', setup: keepClient }];
keep(`${WEB}/page.js`, await bundled('relay/web/page/app.js', { plugins }));
keep(`${WEB}/page.css`, await bundled('relay/web/styles/page.css'));
keep(`${WEB}/ops.js`, await bundled('relay/web/ops/app.js'));
keep(`${WEB}/ops.css`, await bundled('relay/web/styles/ops.css'));
keep(`${WEB}/emoji.json`, emoji());
keep(`${WEB}/licences.txt`, licences());
for (const [entry, most] of BUDGETS) {
  const external = entry === 'index.js' ? [] : SHARED;
  const size = gzipSync(await bundled(`sdk/src/${entry}`, { external }), { level: 9 }).length;
  const bound = most ? ` of ${most}` : '';
  console.log(`redis-chat ${entry}: ${size} bytes${bound}, minified and compressed`);
  if (most && size > most) fail(`${entry} is over its budget`);
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

function fail(why) {
  console.error(`bundle: ${why}`);
  process.exit(1);
}
