/** Running other programs. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Trouble } from './terminal.mjs';

/** How a person or the system ends a program. */
export const endSignals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/**
 * Runs a program to its end, `output` being its stdout and stderr together. Never throws for a bad status.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions & { timeoutMs?: number, onStart?: (child: import('node:child_process').ChildProcess) => void }} [options]
 * @returns {Promise<{ status: number, output: string }>}
 */
export function run(command, args, { timeoutMs, onStart, ...options } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    onStart?.(child);
    /** @type {Buffer[]} */
    const pieces = [];
    child.stdout.on('data', (piece) => pieces.push(piece));
    child.stderr.on('data', (piece) => pieces.push(piece));
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const finish = (status, extra = '') => {
      clearTimeout(timer);
      resolve({ status, output: Buffer.concat(pieces).toString('utf8') + extra });
    };
    child.on('error', (error) => finish(127, String(error.message)));
    child.on('close', (code) => finish(code ?? 1));
  });
}

/** As `run`, but a bad status is Trouble: the sentence, and the last lines the program said. */
export async function mustRun(command, args, { sentence, ...options }) {
  const { status, output } = await run(command, args, options);
  if (status === 0) return output;
  const tail = output.trim().split('\n').slice(-12).join('\n');
  throw new Trouble(`${sentence}\n${tail}`);
}

/** The path of a program on PATH, or null. */
export function findProgram(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter).concat('/usr/sbin', '/sbin')) {
    try {
      const path = join(folder, name);
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** npm as it was called for this run, so that its settings and registry are the person's own. */
export function npmCommand() {
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) return { command: process.execPath, args: [script] };
  return { command: process.platform === 'win32' ? 'npm.cmd' : 'npm', args: [] };
}

/**
 * Waits until a child that was told to end has ended; past `graceMs` it is killed.
 * @returns {Promise<void>}
 */
export function ended(child, graceMs) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    child.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Calls `stop` when npm, which started this process, is gone. npm hands a signal to the shell between it and us, and that shell dies of it
 * without telling anybody.
 */
export function onNpmGone(stop) {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, 300);
  timer.unref();
}
