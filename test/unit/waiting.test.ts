import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

let waiting: typeof import('../support/waiting');
beforeEach(async () => {
  vi.useFakeTimers();
  vi.resetModules();
  waiting = await import('../support/waiting');
});
afterEach(() => void vi.useRealTimers());

describe('until', () => {
  it('looks again at an event of any client, not only of the waiting one', async () => {
    const state = { alice: 'established', bob: 'none' };
    const agreed = waiting.until('both agree', () => state.alice === state.bob);
    await vi.advanceTimersByTimeAsync(0);
    state.bob = 'established';
    waiting.stir();
    expect(await agreed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('looks again without any event', async () => {
    let bindings = 1;
    const gone = waiting.until('nothing is bound', () => bindings === 0);
    await vi.advanceTimersByTimeAsync(500);
    bindings = 0;
    await vi.advanceTimersByTimeAsync(100);
    expect(await gone).toBe(true);
  });

  it('an event during a look is not missed, and a look that causes events does not look without pause', async () => {
    let looks = 0;
    let isSo = false;
    const found = waiting.until('it is so', async () => {
      looks += 1;
      waiting.stir();
      await new Promise((resolve) => setTimeout(resolve, 1));
      return isSo;
    });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(looks).toBeGreaterThan(20);
    expect(looks).toBeLessThan(200);
    isSo = true;
    await vi.advanceTimersByTimeAsync(20);
    expect(await found).toBe(true);
  });

  it('names the missed condition after the limit, and stops looking', async () => {
    let looks = 0;
    const look = () => {
      looks += 1;
      return false;
    };
    const failed = waiting.until('pigs fly', look, 300).catch((error: Error) => error.message);
    await vi.advanceTimersByTimeAsync(300);
    expect(await failed).toBe('waited 300 ms in vain until pigs fly');
    const before = looks;
    waiting.stir();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(looks).toBe(before);
  });

  it('a look that throws ends it', async () => {
    await expect(waiting.until('it ends', () => Promise.reject(new Error('it is broken')))).rejects.toThrow('it is broken');
  });
});

describe('elapse', () => {
  it('wants a reason', () => {
    expect(() => waiting.elapse(10, '')).toThrow('without a reason');
  });

  it('is how every test waits that lets real time pass', () => {
    const own = ['test/support/waiting.ts', 'test/unit/waiting.test.ts'];
    const waits = /await new Promise(?:<\w+>)?\(\(\w+\) => setTimeout\(|from 'node:timers\/promises'|\bdelay\(systemClock/;
    const offenders = readdirSync('test', { recursive: true, encoding: 'utf8' })
      .map((name) => `test/${name.replaceAll('\\', '/')}`)
      .filter((file) => /\.tsx?$/.test(file) && !own.includes(file) && !file.startsWith('test/bench/'))
      .flatMap((file) =>
        readFileSync(file, 'utf8')
          .split('\n')
          .flatMap((line, index) => (waits.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
      );
    expect(offenders).toEqual([]);
  });
});
