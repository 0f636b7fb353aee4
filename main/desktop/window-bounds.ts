/** The window's position: as requested, else as last time, else in the middle. It is never off every screen. */
import { readFileSync, writeFileSync } from 'node:fs';
import { type BrowserWindow, type Rectangle, screen } from 'electron';
import type { Logger } from '../../base/log';

/** `bounds` in screen pixels, or place `index` of `count` places that tile the screen. */
export type WindowPlace = { kind: 'bounds'; bounds: Rectangle } | { kind: 'tile'; index: number; count: number };

const preferred = { width: 1180, height: 760 } as const;
const smallest = { width: 360, height: 400 } as const;
/** At least this much of a window must be on a screen, so that the person can move it. */
const reachable = { width: 120, height: 60 } as const;
/** Columns with fewer pixels than this are too narrow for a list and a chat side by side. */
const columnWidth = 720;
const saveDelayMs = 500;

/** Reads `x,y,width,height`. */
export function parseBounds(text: string): Rectangle | null {
  const [x, y, width, height, ...rest] = text.split(',').map((part) => Number.parseInt(part, 10));
  if (x === undefined || y === undefined || width === undefined || height === undefined || rest.length > 0) return null;
  return [x, y, width, height].every(Number.isFinite) && width > 0 && height > 0 ? { x, y, width, height } : null;
}

/** The part of `area` for window `index` of `count`, in rows of equal cells. */
export function tile(area: Rectangle, index: number, count: number): Rectangle {
  const columns = Math.max(1, Math.min(count, Math.max(Math.floor(area.width / columnWidth), Math.ceil(Math.sqrt(count)))));
  const rows = Math.ceil(count / columns);
  const width = Math.floor(area.width / columns);
  const height = Math.floor(area.height / rows);
  return { x: area.x + (index % columns) * width, y: area.y + Math.floor(index / columns) * height, width, height };
}

/** The stored position, moved to where a person can reach it; null when no part of it is usable. */
export function repair(kept: Rectangle, areas: readonly Rectangle[]): Rectangle | null {
  const width = Math.max(kept.width, smallest.width);
  const height = Math.max(kept.height, smallest.height);
  const seen = areas.some((area) => {
    const across = Math.min(kept.x + width, area.x + area.width) - Math.max(kept.x, area.x);
    const down = Math.min(kept.y + reachable.height, area.y + area.height) - Math.max(kept.y, area.y);
    return across >= reachable.width && down >= reachable.height;
  });
  return seen ? { x: kept.x, y: kept.y, width, height } : null;
}

export function windowBounds(file: string, place: WindowPlace | null): Partial<Rectangle> & { maximized: boolean } {
  const area = screen.getPrimaryDisplay().workArea;
  if (place?.kind === 'bounds') return { ...place.bounds, maximized: false };
  if (place?.kind === 'tile') return { ...tile(area, place.index, place.count), maximized: false };
  const kept = readKept(file);
  const usable =
    kept &&
    repair(
      kept,
      screen.getAllDisplays().map((display) => display.workArea),
    );
  if (usable) return { ...usable, maximized: kept.maximized };
  return { width: Math.min(preferred.width, area.width), height: Math.min(preferred.height, area.height), maximized: false };
}

function readKept(file: string): (Rectangle & { maximized: boolean }) | null {
  try {
    const { x, y, width, height, maximized } = JSON.parse(readFileSync(file, 'utf8'));
    const numbers = [x, y, width, height].every((value) => typeof value === 'number' && Number.isFinite(value));
    return numbers ? { x, y, width, height, maximized: maximized === true } : null;
  } catch {
    // Nothing stored yet, or damaged: the middle of the screen is a good place.
    return null;
  }
}

/** Stores the window's position in `file` while it moves. A failure, such as a full disk, only means that an old position is used. */
export function keepBounds(window: BrowserWindow, file: string, log: Logger): void {
  let timer: NodeJS.Timeout | null = null;
  const save = () => {
    timer = null;
    if (window.isDestroyed()) return;
    try {
      writeFileSync(file, JSON.stringify({ ...window.getNormalBounds(), maximized: window.isMaximized() }));
    } catch (error) {
      log.warn('The place of the window was not kept', { error: String(error) });
    }
  };
  const later = () => {
    timer ??= setTimeout(save, saveDelayMs);
  };
  window.on('resize', later);
  window.on('move', later);
  window.on('close', () => {
    if (timer !== null) clearTimeout(timer);
    save();
  });
}
