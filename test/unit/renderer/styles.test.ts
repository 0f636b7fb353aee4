import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  declarations,
  definedGlobally,
  definedIn,
  globalsExpected,
  moduleFiles,
  wornFromModules,
  wornGlobally,
} from '../../support/styles';

describe('the styles of the window', () => {
  const { worn, unclear } = wornFromModules();
  const modules = moduleFiles();

  it('define no class in a module that no view wears, and none is worn that is not defined', () => {
    expect(modules.length).toBeGreaterThan(40);
    const dead = modules.flatMap((file) =>
      [...definedIn(file)].filter((name) => !worn.get(file)?.has(name)).map((name) => `${file}: .${name}`),
    );
    const undefinedOnes = modules.flatMap((file) =>
      [...(worn.get(file) ?? [])].filter((name) => !definedIn(file).has(name)).map((name) => `${file}: .${name}`),
    );
    expect({ dead, undefinedOnes }).toEqual({ dead: [], undefinedOnes: [] });
  });

  it('define no ground class that no view wears, and none is worn or expected that is not defined', () => {
    const defined = definedGlobally();
    const used = wornGlobally();
    const names = new Set(used.map(({ name }) => name));
    const dead = [...defined].filter((name) => !names.has(name));
    const unknown = used.filter(({ name }) => !defined.has(name)).map(({ view, name }) => `${view}: "${name}"`);
    const expected = globalsExpected()
      .filter(({ name }) => !defined.has(name))
      .map(({ file, name }) => `${file}: :global(.${name})`);
    expect({ dead, unknown, expected }).toEqual({ dead: [], unknown: [], expected: [] });
  });

  it('are taken by name, so that the compiler and this test can read them', () => {
    expect(unclear).toEqual([]);
  });

  it('have names of their own, and TypeScript knows their classes', async () => {
    const names = modules.map((file) => basename(file));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    await expect(declarations()).toMatchFileSnapshot('../../../renderer/css-modules.d.ts');
  });
});
