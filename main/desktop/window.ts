/**
 * The window and all of its security. The page comes only from app://chorus/, with a policy that lets it run and load nothing else; it has
 * no network, no Node, no new windows, no navigation, and two harmless permissions. `secureApp` and `registerAppScheme` run before Electron
 * is ready, `secureSession` before the first window.
 */
import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import { app, BrowserWindow, dialog, Menu, nativeTheme, protocol, type Session, shell, type WebContents } from 'electron';
import type { Logger } from '../../base/log';
import { contentSecurityPolicy } from './content-policy';
import type { DevServer } from './dev-server';
import { keepBounds, type WindowPlace, windowBounds } from './window-bounds';

const scheme = 'app';
const host = 'chorus';
const page = `${scheme}://${host}/index.html`;

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** The permissions that the page may request. All others are denied. */
const permissions: ReadonlySet<string> = new Set([
  'notifications', // for a message while the window is in the background
  'clipboard-sanitized-write', // for copying an ID or a message's text
]);

/** The renderer's background colours (look: surface-0), so that the window does not flash before its first paint. */
const surface = { light: '#ffffff', dark: '#121514' } as const;

/** Before ready: gives app: an origin of its own, which the policy and the check of senders can name. */
export function registerAppScheme(): void {
  protocol.registerSchemesAsPrivileged([{ scheme, privileges: { standard: true, secure: true, supportFetchAPI: false } }]);
}

/** Before ready: guards every page in this process, not only the ones we open. */
export function secureApp(log: Logger): void {
  app.on('web-contents-created', (_event, contents) => guard(contents, log));
}

function guard(contents: WebContents, log: Logger): void {
  const deny = (what: string) => (event: { preventDefault(): void; url?: string }) => {
    event.preventDefault();
    log.warn(`${what} was denied`, { url: event.url?.slice(0, 200) });
  };
  contents.on('will-attach-webview', deny('A webview'));
  contents.on('will-redirect', deny('A redirection'));
  contents.on('will-frame-navigate', (event) => {
    // The renderer recovers by reloading our own page; no other navigation is allowed.
    if (event.isMainFrame && event.url === page) return;
    deny('A navigation')(event);
    if (event.isMainFrame) void openOutside(contents, event.url, log);
  });
  contents.setWindowOpenHandler(({ url }) => {
    log.warn('A new window was denied', { url: url.slice(0, 200) });
    void openOutside(contents, url, log);
    return { action: 'deny' };
  });
}

/**
 * The URL as it may be passed to the system: parsed and formatted again, so that the shown URL is the opened one. Null when it may not be
 * opened.
 */
export function outsideUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  return ['http:', 'https:', 'mailto:'].includes(url.protocol) && url.username === '' && url.password === '' ? url : null;
}

/** One question at a time, so that a page cannot pile them up. */
let asking = false;

async function openOutside(contents: WebContents, text: string, log: Logger): Promise<void> {
  const url = outsideUrl(text);
  const window = BrowserWindow.fromWebContents(contents);
  if (url === null || window === null || asking) return;
  asking = true;
  try {
    const { response } = await dialog.showMessageBox(window, {
      type: 'question',
      message: 'Open this link outside Chorus?',
      detail: url.href,
      buttons: ['Open', 'Cancel'],
      defaultId: 1,
      cancelId: 1,
      noLink: true,
    });
    if (response === 0) await shell.openExternal(url.href);
  } catch (error) {
    log.error('A link could not be opened', { url: url.href, error: String(error) });
  } finally {
    asking = false;
  }
}

/** When ready, before the first window: serves the page from `folder`, or from a development server, and blocks everything else. */
export function secureSession(session: Session, folder: string, dev: DevServer | null, log: Logger): void {
  session.protocol.handle(scheme, (request) => (dev === null ? serve(folder, request) : dev.answer(request)));
  session.webRequest.onBeforeRequest((details, callback) => {
    const own = details.url.startsWith(`${scheme}://${host}/`) || details.url.startsWith(`blob:${scheme}://${host}/`);
    const allowed = own || dev?.mayOpen(details.url) === true || (!app.isPackaged && details.url.startsWith('devtools://'));
    if (!allowed) log.warn('A request was blocked', { url: details.url.slice(0, 200) });
    callback({ cancel: !allowed });
  });
  session.setPermissionRequestHandler((contents, permission, callback) => callback(ours(contents) && permissions.has(permission)));
  session.setPermissionCheckHandler((contents, permission) => ours(contents) && permissions.has(permission));
  session.setDevicePermissionHandler(() => false);
  session.setSpellCheckerEnabled(process.platform === 'darwin'); // elsewhere Chromium would download its dictionaries from a third party
}

const ours = (contents: WebContents | null) => contents?.getURL().startsWith(`${scheme}://${host}/`) === true;

/** One file in `folder`, with its type and the policy. Only GET; a path that leaves the folder does not exist. */
export async function serve(folder: string, request: { method: string; url: string }): Promise<Response> {
  const refuse = (status: number) => new Response(null, { status, headers: { 'content-security-policy': contentSecurityPolicy } });
  if (request.method !== 'GET') return refuse(405);
  const url = new URL(request.url);
  const type = contentTypes[extname(url.pathname)];
  if (url.host !== host || type === undefined) return refuse(404);
  try {
    const path = normalize(join(folder, decodeURIComponent(url.pathname)));
    if (!path.startsWith(folder + sep) || path.includes('\0')) return refuse(404);
    const headers = { 'content-type': type, 'content-security-policy': contentSecurityPolicy, 'x-content-type-options': 'nosniff' };
    return new Response(new Uint8Array(await readFile(path)), { headers });
  } catch {
    // Missing, unreadable or undecodable files all look the same to the page.
    return refuse(404);
  }
}

export interface WindowOptions {
  preload: string;
  /** The file in which the window's position is stored between runs. */
  placeFile: string;
  /** The position requested by the caller; otherwise the last one, otherwise the middle. */
  place: WindowPlace | null;
  title: string;
  log: Logger;
}

/** Opens the window, which shows itself when its first frame is ready. */
export function openWindow({ preload, placeFile, place, title, log }: WindowOptions): BrowserWindow {
  const { maximized, ...bounds } = windowBounds(placeFile, place);
  const window = new BrowserWindow({
    ...bounds,
    minWidth: 360,
    minHeight: 400,
    title,
    show: false,
    autoHideMenuBar: false,
    backgroundColor: nativeTheme.shouldUseDarkColors ? surface.dark : surface.light,
    webPreferences: {
      preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: process.platform === 'darwin',
    },
  });
  window.setMenuBarVisibility(process.platform === 'darwin');
  window.once('ready-to-show', () => {
    if (maximized) window.maximize();
    window.show();
  });
  window.webContents.on('context-menu', (_event, { isEditable, selectionText }) => {
    if (isEditable) Menu.buildFromTemplate([{ role: 'cut' }, { role: 'copy' }, { role: 'paste' }, { role: 'selectAll' }]).popup({ window });
    else if (selectionText !== '') Menu.buildFromTemplate([{ role: 'copy' }]).popup({ window });
  });
  // A crashed page is reloaded. The main process holds all state, so nothing is lost.
  window.webContents.on('render-process-gone', (_event, { reason }) => {
    if (reason === 'clean-exit') return;
    log.error('The page died', { reason });
    if (reason !== 'killed') void load(window, log);
  });
  keepBounds(window, placeFile, log);
  void load(window, log);
  return window;
}

async function load(window: BrowserWindow, log: Logger): Promise<void> {
  try {
    await window.loadURL(page);
  } catch (error) {
    if (window.isDestroyed()) return;
    log.error('The page could not be loaded', { error: String(error) });
    window.show();
  }
}

export function comeToFront(window: BrowserWindow): void {
  if (window.isDestroyed()) return;
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
}

/** Applies one theme to the page's colours and the system's parts of the window. */
export function applyTheme(window: BrowserWindow | null, theme: 'system' | 'light' | 'dark'): void {
  nativeTheme.themeSource = theme;
  if (window !== null && !window.isDestroyed()) window.setBackgroundColor(nativeTheme.shouldUseDarkColors ? surface.dark : surface.light);
}

/** The shortcuts of a menu, also on systems that show none: editing, zoom, full screen; in development also the developer tools. */
export function setMenu(): void {
  const tools = app.isPackaged ? [] : ([{ role: 'reload' }, { role: 'toggleDevTools' }, { type: 'separator' }] as const);
  const view = [...tools, { role: 'resetZoom' }, { role: 'zoomIn' }, { role: 'zoomOut' }, { role: 'togglefullscreen' }] as const;
  const first = process.platform === 'darwin' ? ([{ role: 'appMenu' }] as const) : ([{ role: 'fileMenu' }] as const);
  Menu.setApplicationMenu(
    Menu.buildFromTemplate([...first, { role: 'editMenu' }, { label: 'View', submenu: [...view] }, { role: 'windowMenu' }]),
  );
}
