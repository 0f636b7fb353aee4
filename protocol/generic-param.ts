/**
 * The pieces of header grammar that SIP, MIME and CPIM share: quoted strings, `;name=value` lists and lists outside quotes
 * (RFC 3261 section 25.1, RFC 2045 section 5.1). Reading is tolerant; writing never lets a value end its own line.
 */

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

function isControl(code: number): boolean {
  return code < 0x20 || code === 0x7f;
}

/** True when the text contains a control character, including a line break. */
export function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (isControl(text.charCodeAt(index))) return true;
  }
  return false;
}

/** The text without control characters, safe to write into a header. Tabs become spaces. */
export function oneLine(text: string): string {
  if (!hasControl(text)) return text;
  let out = '';
  for (const character of text) {
    if (character === '\t') out += ' ';
    else if (!isControl(character.charCodeAt(0))) out += character;
  }
  return out;
}

/**
 * Splits at each `separator` outside quoted strings and, with `angles`, outside `<...>`. Null when a quoted string or an angle bracket is
 * never closed.
 */
export function splitOutside(text: string, separator: string, angles = false): string[] | null {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  let inAngles = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (quoted) {
      if (character === '\\') index += 1;
      else if (character === '"') quoted = false;
    } else if (inAngles) {
      if (character === '>') inAngles = false;
    } else if (character === '"') quoted = true;
    else if (angles && character === '<') inAngles = true;
    else if (character === separator) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  if (quoted || inAngles) return null;
  parts.push(text.slice(start));
  return parts;
}

/** The value of a quoted string with `\x` escapes resolved. Any other text is only trimmed. */
export function unquote(text: string): string {
  const value = text.trim();
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return value;
  return value.slice(1, -1).replace(/\\([\s\S])/g, '$1');
}

/** The text as a quoted string on one line. */
export function quote(text: string): string {
  return `"${oneLine(text).replace(/["\\]/g, '\\$&')}"`;
}

/**
 * Reads `name`, `name=value` and `name="value"` items. Names are lower-cased and values unquoted; the value is null for a name alone. The
 * first of several equal names counts. Null when an item has no name or a quoted string is not closed.
 */
export function parseParams(text: string, separator = ';'): Map<string, string | null> | null {
  const items = splitOutside(text, separator);
  if (items === null) return null;
  const params = new Map<string, string | null>();
  for (const item of items) {
    if (item.trim() === '') continue;
    const equals = item.indexOf('=');
    const name = (equals < 0 ? item : item.slice(0, equals)).trim().toLowerCase();
    if (name === '') return null;
    if (!params.has(name)) params.set(name, equals < 0 ? null : unquote(item.slice(equals + 1)));
  }
  return params;
}
