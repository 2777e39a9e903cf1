/**
 * How large a picture becomes when it is drawn, read from its first bytes.
 *
 * The one idea: a few bytes can stand for a billion pixels, so whoever shows pictures of others looks before
 * the browser decodes them.
 *
 * Sources: PNG 1.2 (IHDR), GIF89a (logical screen), ITU T.81 (frame header), RFC 9649 (WebP).
 */

/**
 * @param {Uint8Array} bytes of a PNG, GIF, JPEG or still WebP file
 * @returns {{width: number, height: number}|null} in pixels; null: it is none of these
 */
export function sizeOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = String.fromCharCode(...bytes.slice(0, 16));
  try {
    if (text.startsWith('\x89PNG\r\n')) {
      return { width: view.getUint32(16), height: view.getUint32(20) };
    }
    if (/^GIF8[79]a/.test(text)) {
      return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
    }
    if (text.startsWith('RIFF') && text.startsWith('WEBP', 8)) return webp(view, text.slice(12));
    return text.startsWith('\xff\xd8') ? jpeg(view) : null;
  } catch {
    // It ends too early.
    return null;
  }
}

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
    // C4, C8 and CC are other segments.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    }
  }
  return null;
}

const uint24 = (view, at) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
