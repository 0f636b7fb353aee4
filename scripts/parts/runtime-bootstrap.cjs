/**
 * Stands where Electron's own default app would: takes the first argument that is no switch as the app's folder and loads its main script.
 * By require() and at once: what must happen before Electron is ready (schemes, sandbox, switches) would come too late after an import().
 */
/** `setVersion` and `setAppPath` are what Electron's own default app uses; its types leave them out. @type {any} */
const app = require('electron').app;
const { dialog } = require('electron');
const { readFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

const index = process.argv.findIndex((argument, position) => position > 0 && !argument.startsWith('-'));
if (index === -1) {
  console.error('Usage: electron FOLDER [options]');
  app.exit(2);
} else {
  const folder = resolve(process.argv[index] ?? '');
  // As with Electron's own default app, argv is: the executable, the app, its options.
  process.argv.splice(1, index, folder);
  try {
    const { name, productName, version, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    app.setName(productName ?? name);
    if (version !== undefined) app.setVersion(version);
    app.setAppPath(folder);
    require(join(folder, main));
  } catch (error) {
    console.error(error);
    dialog.showErrorBox('Chorus cannot start', String(error));
    app.exit(1);
  }
}
