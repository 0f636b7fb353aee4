/**
 * Electron's entry: one process a profile, the sandbox for all of it, the app behind one window, and an orderly end. What must happen before
 * Electron is ready happens here synchronously, which is why this file is bundled as CommonJS.
 */
import { dirname, join } from 'node:path';
import { app, dialog, powerMonitor, session } from 'electron';
import { createStderrLogger } from '../base/log';
import { type App, createApp } from './app';
import { createDevServer } from './desktop/dev-server';
import { openDeviceProcess } from './desktop/further-device';
import { bindIpc } from './desktop/ipc';
import { type LaunchOptions, parseLaunchOptions } from './desktop/launch-options';
import { quitInOrder } from './desktop/orderly-quit';
import { explain, refuse } from './desktop/refusal';
import { createSecretBox } from './desktop/secrets';
import { applyTheme, comeToFront, openWindow, registerAppScheme, secureApp, secureSession, setMenu } from './desktop/window';
import { openStore, prepareFolder } from './profile/folder';

/** Never the host name: it would tell strangers about the machine. */
const defaultDeviceName = 'Desktop 1';

/** A person's terminal hears of trouble alone; CHORUS_LOG=info or debug tells more. */
const level = (['debug', 'info', 'warn', 'error'] as const).find((name) => name === process.env.CHORUS_LOG);
const log = createStderrLogger('chorus', level ?? 'warn');
const options = parseLaunchOptions(process.argv);

if (app.commandLine.hasSwitch('no-sandbox') || app.commandLine.hasSwitch('disable-sandbox')) {
  refuse(
    'Chorus does not run without the sandbox, and so not as root: start it as an ordinary user, without --no-sandbox. `npm start` does that by itself.',
  );
} else if (typeof options === 'string') {
  refuse(options);
} else {
  app.enableSandbox();
  start(options);
}

function start(launch: LaunchOptions): void {
  // The one who started us may be gone; what would be told is then lost, and nothing else.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  process.on('unhandledRejection', (error) =>
    log.error('An unhandled rejection', { error: String(error instanceof Error ? error.stack : error) }),
  );
  process.on('uncaughtException', (error) => log.error('An uncaught exception', { error: String(error.stack) }));

  const base = join(app.getPath('appData'), 'Chorus');
  const dataDir = launch.dataDir ?? join(base, 'profiles', launch.profile);
  const trouble = prepareFolder(dataDir);
  if (trouble !== null) {
    void explain(trouble);
    return;
  }
  app.setPath('userData', dataDir);
  if (!app.requestSingleInstanceLock()) {
    process.stdout.write(`The profile ${launch.profile} is already open; its window comes to the front.\n`);
    app.exit(0);
    return;
  }
  registerAppScheme();
  secureApp(log);
  const tryDirectory = launch.tryDir ?? join(launch.dataDir === null ? base : dirname(launch.dataDir), 'try-network');
  app
    .whenReady()
    .then(() => open(launch, dataDir, tryDirectory))
    .catch((error: unknown) => {
      log.error('The start failed', { error: String(error instanceof Error ? error.stack : error) });
      return explain(String(error instanceof Error ? error.message : error));
    });
}

async function open(launch: LaunchOptions, dataDir: string, tryDirectory: string): Promise<void> {
  setMenu();
  // What is installed shows its own page alone.
  const dev = launch.devServer === null || app.isPackaged ? null : createDevServer(launch.devServer);
  secureSession(session.defaultSession, join(__dirname, 'renderer'), dev, log);
  const chorus = await createApp({
    dataDir,
    profile: launch.profile,
    readScript: join(__dirname, 'read-thread.cjs'),
    version: app.getVersion(),
    open: openStore(dataDir),
    secrets: () => createSecretBox(dataDir, log),
    log,
    tryDirectory,
    chooseFile: async (suggestion) =>
      (await dialog.showSaveDialog({ defaultPath: join(app.getPath('documents'), suggestion) })).filePath || null,
    openDevice: (person) => openDeviceProcess(person, dirname(dataDir), tryDirectory),
  });
  const snapshot = await chorus.handlers.snapshot({});
  applyTheme(null, snapshot.preferences.theme);
  const window = openWindow({
    preload: join(__dirname, 'preload.cjs'),
    placeFile: join(dataDir, 'window.json'),
    place: launch.place,
    title: launch.profile === 'default' ? 'Chorus' : `Chorus (${launch.profile})`,
    log,
  });
  bindIpc({ window: () => window, handlers: chorus.handlers, onEvent: chorus.onEvent, log });
  chorus.onEvent.on((event) => {
    if (event.event === 'preferences') applyTheme(window, event.theme);
    if (event.event === 'exit') app.quit();
  });
  // A connection that was left for hours looks whole; the first thing after waking is to see whether it is.
  powerMonitor.on('resume', () => chorus.networkChanged());
  powerMonitor.on('unlock-screen', () => chorus.networkChanged());
  quitInOrder(chorus, log);
  app.on('second-instance', () => comeToFront(window));
  // A stored account signs in by itself.
  const isNew = snapshot.fatal === null && snapshot.account === null;
  if (isNew) await signInForTrial(chorus, launch, snapshot.tryPeople);
}

/** `--try alice`: for a demonstration nobody has to click. */
async function signInForTrial(
  chorus: App,
  { tryPerson, deviceName }: LaunchOptions,
  people: { address: string; name: string }[],
): Promise<void> {
  if (tryPerson === null) return;
  const person = people.find(({ address, name }) => address === tryPerson || name.toLowerCase() === tryPerson.toLowerCase());
  if (person === undefined) return log.warn('Nobody of that name is in the embedded network', { name: tryPerson });
  try {
    await chorus.handlers.tryIt({ person: person.address, deviceName: deviceName ?? defaultDeviceName });
  } catch (error) {
    log.warn('Signing in at the embedded network failed', { error: String(error) });
  }
}
