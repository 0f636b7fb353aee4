import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exhibits } from '../../../renderer/gallery/catalogue';
import { sourceFiles } from '../../support/imports';

describe('the gallery', () => {
  it('has a name of its own for every scene, fit for an address and a file', () => {
    const names = exhibits.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(60);
    expect(names.filter((name, index) => names.indexOf(name) !== index || !/^[a-z][a-z-]*$/.test(name))).toEqual([]);
  });

  it('is no part of the window: nothing outside of it imports it', () => {
    const users = sourceFiles().filter(
      (file) => !file.startsWith('renderer/gallery/') && /['"][^'"]*\/gallery\//.test(readFileSync(file, 'utf8')),
    );
    expect(users).toEqual([]);
  });

  it('opens every dialog there is, and every section of the settings', () => {
    const opened = new Set(
      exhibits.flatMap(({ desk, clicks = [] }) => [desk?.dialog?.dialog, ...(clicks.includes('device-sign-out') ? ['signOut'] : [])]),
    );
    const source = readFileSync('renderer/desk/desk.ts', 'utf8');
    const dialogs = [...source.matchAll(/\{ dialog: '(\w+)'/g)].map(([, name]) => name);
    expect(dialogs.length).toBeGreaterThan(8);
    expect(dialogs.filter((name) => !opened.has(name as never))).toEqual([]);
    const sections = new Set(exhibits.map(({ desk }) => desk?.section));
    expect(['general', 'account', 'keyboard', 'about'].filter((one) => !sections.has(one as never))).toEqual([]);
  });
});
