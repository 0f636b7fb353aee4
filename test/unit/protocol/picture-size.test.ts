import { describe, expect, it } from 'vitest';
import { pictureSize } from '../../../protocol/picture-size';

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const png = (width: string, height: string) => octets(`89504e470d0a1a0a 0000000d 49484452 ${width} ${height} 0806000000`);

describe('the size of a picture', () => {
  it.each<[string, Uint8Array, { width: number; height: number }]>([
    ['a PNG', png('00000080', '00000040'), { width: 128, height: 64 }],
    ['a PNG that would unfold to gigabytes', png('0000ffff', '0000ffff'), { width: 65_535, height: 65_535 }],
    [
      'a JPEG, behind its other segments',
      octets('ffd8 ffe00004 4a46 ffffdb 0004 0102 ffc0 000b 08 0040 0080 01 011100'),
      { width: 128, height: 64 },
    ],
    ['a progressive JPEG', octets('ffd8 ffc4 0003 01 ffc2 000b 08 0020 0030 01 011100'), { width: 48, height: 32 }],
    [
      'a WebP with an extended header',
      octets('52494646 00000000 57454250 56503858 0a000000 10000000 7f0000 3f0000'),
      { width: 128, height: 64 },
    ],
    ['a lossless WebP', octets('52494646 00000000 57454250 5650384c 00000000 2f 7fc00f00'), { width: 128, height: 64 }],
    ['a lossy WebP', octets('52494646 00000000 57454250 56503820 00000000 300100 9d012a 8000 4000'), { width: 128, height: 64 }],
  ])('is read from %s', (_name, bytes, size) => {
    expect(pictureSize(bytes)).toEqual(size);
    // Also where it lies inside of other octets.
    expect(pictureSize(Uint8Array.from([1, 2, 3, ...bytes]).subarray(3))).toEqual(size);
  });

  it('is not known of anything else, nor of what is cut off anywhere before it', () => {
    for (const nothing of ['', 'ff', '47494638 39610100', '52494646 00000000 57454250 41424344', 'ffd8 0102 03'])
      expect(pictureSize(octets(nothing)), nothing).toBeNull();
    const whole = octets('ffd8 ffe00004 4a46 ffdb 0004 0102 ffc0 000b 08 0040 0080');
    for (let length = 0; length < whole.length; length += 1) expect(pictureSize(whole.subarray(0, length)), String(length)).toBeNull();
    expect(pictureSize(octets('ffd8 ffdb ffff 00'))).toBeNull();
    expect(pictureSize(octets('ffd8 ffdb 0000 ffdb 0000 ffdb 0000'))).toBeNull();
  });
});
