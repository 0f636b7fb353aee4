import { describe, expect, it } from 'vitest';
import { encodeGroupIcon, type IconType, MAX_ICON_BYTES, parseGroupIcon } from '../../../protocol/group-icon';

const png = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const padded = (begin: readonly number[], length: number) => Uint8Array.from({ length }, (_, index) => begin[index] ?? index % 256);
const webp = [...'RIFF'].concat([...'1234'], [...'WEBP']).map((character) => character.charCodeAt(0));

describe('the picture of a group', () => {
  it.each<[IconType, readonly number[]]>([
    ['image/png', png],
    ['image/jpeg', [0xff, 0xd8, 0xff, 0xe0]],
    ['image/webp', webp],
  ])('reads what it writes: %s, up to MAX_ICON_BYTES', (type, begin) => {
    const icon = { type, bytes: padded(begin, MAX_ICON_BYTES) };
    expect(parseGroupIcon(encodeGroupIcon(icon))).toEqual({ ok: true, value: icon });
  });

  it.each([
    ['nothing', '', 400],
    ['an address', 'https://lab.test/a.png', 400],
    ['no base64', 'data:image/png;base64,%%%', 400],
    ['plain text', 'data:text/plain,hello', 400],
    ['another kind', `data:image/svg+xml;base64,${btoa('<svg/>')}`, 415],
    ['a kind that the octets are not', `data:image/png;base64,${btoa('<svg/>')}`, 415],
    ['too many octets', encodeGroupIcon({ type: 'image/png', bytes: padded(png, MAX_ICON_BYTES + 1) }), 413],
    ['very many octets', `data:image/png;base64,${'A'.repeat(MAX_ICON_BYTES * 4)}`, 413],
  ])('refuses %s', (_what, uri, code) => {
    expect(parseGroupIcon(uri)).toEqual({ ok: false, code });
  });
});
