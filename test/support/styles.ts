/** The renderer's styles as its tests read them: the classes defined by rules and the classes used by elements. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';

const list = (wanted: RegExp): string[] =>
  readdirSync('renderer', { recursive: true, encoding: 'utf8' })
    .map((name) => `renderer/${name.replaceAll('\\', '/')}`)
    .filter((name) => wanted.test(name))
    .sort();

export const moduleFiles = (): string[] => list(/\.module\.css$/);
const viewFiles = (): string[] => list(/\.tsx?$/).filter((name) => !name.endsWith('.d.ts'));

/** The selectors in a sheet, one text for each rule, without comments and `@media` conditions. */
function selectorsOf(css: string): string[] {
  const plain = css.replaceAll(/\/\*[\s\S]*?\*\//g, '');
  return [...plain.matchAll(/([^{};]+)\{/g)].map(([, head = '']) => head.trim()).filter((head) => !/^(@|from$|to$|[\d.]+%)/.test(head));
}

const classesIn = (selector: string): string[] => [...selector.matchAll(/\.([a-zA-Z][\w-]*)/g)].map(([, name = '']) => name);
const globalsIn = (selector: string): string[] =>
  [...selector.matchAll(/:global\(([^()]*)\)/g)].flatMap(([, inner = '']) => classesIn(inner));
const localsIn = (selector: string): string[] => classesIn(selector.replaceAll(/:global\([^()]*\)/g, ''));

/** Classes that a CSS module defines. */
export function definedIn(file: string): Set<string> {
  return new Set(selectorsOf(readFileSync(file, 'utf8')).flatMap(localsIn));
}

/** Global classes, which every view may use by their plain names. */
export function definedGlobally(): Set<string> {
  const sheets = ['renderer/style/tokens.css', 'renderer/style/ground.css'];
  return new Set(sheets.flatMap((file) => selectorsOf(readFileSync(file, 'utf8')).flatMap(classesIn)));
}

/** Classes that modules expect on an element by `:global(...)`, as `file: class`. */
export function globalsExpected(): { file: string; name: string }[] {
  return moduleFiles().flatMap((file) =>
    selectorsOf(readFileSync(file, 'utf8')).flatMap((one) => globalsIn(one).map((name) => ({ file, name }))),
  );
}

/** For every module, the classes that views use from it. `unclear` are uses whose class cannot be read from the source. */
export function wornFromModules(): { worn: Map<string, Set<string>>; unclear: string[] } {
  const worn = new Map<string, Set<string>>(moduleFiles().map((file) => [file, new Set()]));
  const unclear: string[] = [];
  for (const view of viewFiles()) {
    const text = readFileSync(view, 'utf8');
    for (const [, name = '', path = ''] of text.matchAll(/import (\w+) from '([^']+\.module\.css)';/g)) {
      const file = normalize(join(dirname(view), path)).replaceAll('\\', '/');
      for (const [, used = ''] of text.matchAll(new RegExp(`\\b${name}\\.(\\w+)`, 'g'))) worn.get(file)?.add(used);
      if (new RegExp(`\\b${name}\\[`).test(text)) unclear.push(`${view}: ${name}[...]`);
    }
  }
  return { worn, unclear };
}

/** Plain class names used by views: in `className="..."`, in the strings of `cx(...)`, and in tables of classes. */
export function wornGlobally(): { view: string; name: string }[] {
  return viewFiles().flatMap((view) => {
    // A string in a comparison is not a class.
    const text = readFileSync(view, 'utf8').replaceAll(/[=!]== '[^']*'/g, '');
    const literals = [
      ...[...text.matchAll(/className(?:=|: )"([^"]*)"/g)].map(([, value = '']) => value),
      ...[...text.matchAll(/className(?:=\{|: |=)[^}"`\n]*?'([a-z][a-z -]*)'/g)].map(([, value = '']) => value),
      ...[...text.matchAll(/\bcx\(((?:[^()]|\([^()]*\))*)\)/g)].flatMap(([, inner = '']) =>
        [...inner.matchAll(/'([^']+)'/g)].map(([, value = '']) => value),
      ),
      ...[...text.matchAll(/'(hue-[a-z])'/g)].map(([, value = '']) => value),
    ];
    return literals.flatMap((value) => value.split(' ').map((name) => ({ view, name })));
  });
}

/** TypeScript declarations for all CSS modules. A pattern matches a file by its name, so module names must be unique. */
export function declarations(): string {
  const modules = moduleFiles().map((file) => {
    const names = [...definedIn(file)].sort().map((name) => `  readonly ${name}: string;`);
    return `declare module '*/${basename(file)}' {\n  const styles: {\n  ${names.join('\n  ')}\n  };\n  export default styles;\n}\n`;
  });
  return `// Made from the CSS modules of renderer/: npx vitest run --project unit test/unit/renderer/styles.test.ts -u\n${modules.join('')}`;
}
