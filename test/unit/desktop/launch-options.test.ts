import { describe, expect, it, vi } from 'vitest';
import { parseLaunchOptions } from '../../../main/desktop/launch-options';

vi.mock('electron', () => ({}));

const nothing = { profile: 'default', dataDir: null, tryDir: null, tryPerson: null, deviceName: null, place: null, devServer: null };

describe('launch options', () => {
  it('are none on a plain start, whatever Chromium is told beside them', () => {
    expect(parseLaunchOptions(['electron', '/app', '--inspect=0', '--remote-debugging-port=0', '--use-fake-device'])).toEqual(nothing);
  });

  it('are read as --name value and --name=value', () => {
    expect(parseLaunchOptions(['--profile', 'work', '--try=Alice', '--device-name', "Alice's laptop", '--user-data-dir=/tmp/a b'])).toEqual(
      {
        ...nothing,
        profile: 'work',
        tryPerson: 'Alice',
        deviceName: "Alice's laptop",
        dataDir: '/tmp/a b',
      },
    );
  });

  it('take a page from a development server of this computer, and from no other', () => {
    expect(parseLaunchOptions(['--dev-server', 'http://127.0.0.1:5173'])).toMatchObject({ devServer: new URL('http://127.0.0.1:5173') });
    for (const other of [
      'http://example.org:5173',
      'https://127.0.0.1:5173',
      'http://127.0.0.1.example.org:80',
      'http://127.0.0.1:5173/x',
      'x',
    ])
      expect(parseLaunchOptions([`--dev-server=${other}`])).toContain('--dev-server needs a server on this computer');
  });

  it('place the window by pixels or by a tile of the screen', () => {
    expect(parseLaunchOptions(['--bounds', '-10,20,800,600'])).toMatchObject({
      place: { kind: 'bounds', bounds: { x: -10, y: 20, width: 800, height: 600 } },
    });
    expect(parseLaunchOptions(['--tile', '2/4'])).toMatchObject({ place: { kind: 'tile', index: 1, count: 4 } });
  });

  it.each([
    [['--profile'], /--profile needs a value/],
    [['--profile', '--try'], /--profile needs a value/],
    [['--profile', '../elsewhere'], /does not fit/],
    [['--profile', ''], /needs a value/],
    [['--bounds', '1,2,3'], /--bounds needs/],
    [['--bounds', '1,2,0,4'], /--bounds needs/],
    [['--tile', '5/4'], /--tile needs/],
    [['--tile', '0/4'], /--tile needs/],
  ])('%j is refused with a sentence', (argv, sentence) => {
    expect(parseLaunchOptions(argv)).toMatch(sentence);
  });
});
