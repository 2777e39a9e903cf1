/**
 * How large a picture becomes when it is drawn, read from its first bytes.
 *
 * The one idea: a few bytes can stand for a billion pixels, so whoever shows pictures of others looks before
 * the browser decodes them.
 *
 * Sources: PNG 1.2 (IHDR), GIF89a (blocks), ITU T.81 (markers), RFC 9649 (WebP).
 */

/**
 * @param {Uint8Array} bytes of a PNG, GIF, JPEG or still WebP file
 * @returns {{width: number, height: number}|null} in pixels; null: it is none of these
 */
export function sizeOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = String.fromCharCode(...bytes.slice(0, 16));
  try {
    if (text.startsWith('\x89PNG\r\n') && text.endsWith('IHDR')) {
      return { width: view.getUint32(16), height: view.getUint32(20) };
    }
    if (/^GIF8[79]a/.test(text)) return gif(view);
    if (text.startsWith('RIFF') && text.startsWith('WEBP', 8)) return webp(view, text.slice(12));
    return text.startsWith('\xff\xd8') ? jpeg(view) : null;
  } catch {
    // It ends too early.
    return null;
  }
}

/** Its screen, or the picture in it that reaches beyond: a browser makes the screen as large. */
function gif(view) {
  let width = view.getUint16(6, true);
  let height = view.getUint16(8, true);
  let at = 13 + colours(view.getUint8(10));
  for (let kind = view.getUint8(at); kind !== 0x3b; kind = view.getUint8(at)) {
    if (kind === 0x2c) {
      width = Math.max(width, view.getUint16(at + 1, true) + view.getUint16(at + 5, true));
      height = Math.max(height, view.getUint16(at + 3, true) + view.getUint16(at + 7, true));
      at += 11 + colours(view.getUint8(at + 9));
    } else if (kind === 0x21) at += 2;
    else return null;
    // Blocks of data follow, an empty one is the last.
    while (view.getUint8(at) !== 0) at += 1 + view.getUint8(at);
    at += 1;
  }
  return { width, height };
}

/** Bytes of the table of colours that these flags tell of. */
const colours = (flags) => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));

/** A still picture; in the extended format it has the size of the canvas. */
function webp(view, kind) {
  const isAnimated = (view.getUint8(20) & 2) !== 0;
  if (kind === 'VP8X' && !isAnimated) {
    return { width: uint24(view, 24) + 1, height: uint24(view, 27) + 1 };
  }
  if (kind === 'VP8 ') {
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
  if (kind !== 'VP8L') return null;
  const bits = view.getUint32(21, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
}

/** The first frame header among the segments. */
function jpeg(view) {
  for (let at = 2; view.getUint8(at) === 0xff; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint8(at + 1);
    // No segment with a length begins so.
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9) || marker === 0xff) return null;
    // C4, C8 and CC are other segments.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
  }
  return null;
}

const uint24 = (view, at) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
