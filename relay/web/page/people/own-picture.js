/**
 * One's own picture, for the profile.
 *
 * The one idea: the profile holds the picture itself, as a `data:` address, so that nobody has to fetch
 * it from anywhere. A profile takes few bytes: the picture becomes as small as it must.
 *
 * It refuses to know the profile.
 */

import { make } from '../elements.js';

/** Bytes that the avatar of a profile may have. */
const BYTES_MAX = 1024;
/** The edge, in pixels, and the qualities to try: large and good ones first. */
const SIZES = [64, 48, 40, 32, 24];
const QUALITIES = [0.8, 0.6, 0.4, 0.2];
const TYPES = ['image/webp', 'image/jpeg'];

/**
 * Asks the person for a file.
 * @returns {Promise<File|null>} null: none was chosen
 */
export function chooseFile() {
  document.getElementById('picture-file')?.remove();
  const input = make('input');
  Object.assign(input, { id: 'picture-file', type: 'file', accept: 'image/*', hidden: true });
  document.body.append(input);
  return new Promise((resolve) => {
    const end = () => {
      input.remove();
      resolve(input.files?.[0] ?? null);
    };
    input.addEventListener('change', end);
    input.addEventListener('cancel', end);
    input.click();
  });
}

/**
 * The middle of a picture, small enough for a profile.
 * @param {Blob} file
 * @returns {Promise<string>} a `data:` address
 * @throws {TypeError} it is no picture that this browser knows, or has too much in it
 */
export async function asAvatar(file) {
  const picture = await createImageBitmap(file).catch(() => {
    throw new TypeError('this file is no picture that the browser knows');
  });
  try {
    for (const size of SIZES) {
      const canvas = drawn(picture, size);
      for (const quality of QUALITIES) {
        for (const type of TYPES) {
          const address = canvas.toDataURL(type, quality);
          // A browser that does not write this type writes PNG instead.
          if (address.startsWith(`data:${type}`) && address.length <= BYTES_MAX) return address;
        }
      }
    }
  } finally {
    picture.close();
  }
  throw new TypeError('this picture has too much in it for a small one');
}

/** The square in the middle, on white where it is transparent. */
function drawn(picture, size) {
  const canvas = make('canvas');
  Object.assign(canvas, { width: size, height: size });
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, size, size);
  context.imageSmoothingQuality = 'high';
  const edge = Math.min(picture.width, picture.height);
  const left = (picture.width - edge) / 2;
  const top = (picture.height - edge) / 2;
  context.drawImage(picture, left, top, edge, edge, 0, 0, size, size);
  return canvas;
}
