import { describe, expect, it } from 'vitest';
import { runtimeOf } from '../../../../renderer/settings/runtime-age';

describe('the age of the runtime', () => {
  const agent = (chromium: string, electron: string) =>
    `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) chorus/0.1.0 Chrome/${chromium} Electron/${electron} Safari/537.36`;

  it('is told of an old one, which gets no fixes, and of a current one', () => {
    const old = runtimeOf(agent('130.0.6723.137', '33.2.1'), Date.UTC(2026, 10, 15));
    expect(old).toEqual({ electron: '33.2.1', chromium: '130.0.6723.137', months: 25, isMended: false });
    // Chromium 140 came out on 2 September 2025.
    expect(runtimeOf(agent('140.0.7339.41', '38.0.0'), Date.UTC(2025, 9, 1))).toMatchObject({ months: 1, isMended: true });
  });

  it('is never negative, and unknown outside Electron', () => {
    expect(runtimeOf(agent('150.0.0.0', '43.0.0'), Date.UTC(2025, 0, 1))).toMatchObject({ months: 0, isMended: true });
    expect(runtimeOf('Mozilla/5.0 Chrome/130.0.0.0 Safari/537.36', 0)).toBeNull();
  });
});
