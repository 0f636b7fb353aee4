/** Times in words. Clock faces and dates follow the person's locale, the few words are ours. Pure but for the system's time zone. */
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { words } from './text';

const daysApart = (at: number, now: number): number => {
  const midnight = (time: number): number => new Date(time).setHours(12, 0, 0, 0);
  return Math.round((midnight(now) - midnight(at)) / 86_400_000);
};

const faces = new Map<string, Intl.DateTimeFormat>();

function face(locale: string | undefined, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  const known = faces.get(key) ?? new Intl.DateTimeFormat(locale, options);
  faces.set(key, known);
  return known;
}

export const clockTime = (at: number, locale?: string): string => face(locale, { timeStyle: 'short' }).format(at);

export const fullTime = (at: number, locale?: string): string => face(locale, { dateStyle: 'full', timeStyle: 'medium' }).format(at);

/** In a list: the clock today, then "Yesterday", the weekday within six days, the date before. */
export function listTime(at: number, now: number, locale?: string): string {
  const days = daysApart(at, now);
  if (days <= 0) return clockTime(at, locale);
  if (days === 1) return words.yesterday;
  if (days < 7) return face(locale, { weekday: 'long' }).format(at);
  return dayAndMonth(at, now, locale);
}

/** Above the messages of a day. */
export function dayName(at: number, now: number, locale?: string): string {
  const days = daysApart(at, now);
  if (days === 0) return words.today;
  if (days === 1) return words.yesterday;
  if (days > 1 && days < 7) return face(locale, { weekday: 'long' }).format(at);
  return face(locale, { weekday: 'short', day: 'numeric', month: 'long', ...yearIfOther(at, now) }).format(at);
}

/** In a sentence: "10:04", "yesterday at 10:04", "Friday at 10:04", "3 Oct at 10:04". */
export function sentenceTime(at: number, now: number, locale?: string): string {
  const days = daysApart(at, now);
  if (days <= 0) return clockTime(at, locale);
  const day =
    days === 1 ? words.yesterday.toLowerCase() : days < 7 ? face(locale, { weekday: 'long' }).format(at) : dayAndMonth(at, now, locale);
  return words.dayAt(day, clockTime(at, locale));
}

/** When something to come is over: "10:04" today, "8 Dec" on another day. */
export const untilTime = (at: number, now: number, locale?: string): string =>
  sameDay(at, now) ? clockTime(at, locale) : dayAndMonth(at, now, locale);

const dayAndMonth = (at: number, now: number, locale: string | undefined): string =>
  face(locale, { day: 'numeric', month: 'short', ...yearIfOther(at, now) }).format(at);

const yearIfOther = (at: number, now: number): Intl.DateTimeFormatOptions =>
  new Date(at).getFullYear() === new Date(now).getFullYear() ? {} : { year: 'numeric' };

export const sameDay = (a: number, b: number): boolean => daysApart(a, b) === 0;
export const sameMinute = (a: number, b: number): boolean => Math.floor(a / 60_000) === Math.floor(b / 60_000);

/** "8 s", "47 min", "3 h", "2 days": rounded down, so that it never promises more than there is. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return words.seconds(seconds);
  if (seconds < 3600) return words.minutes(Math.floor(seconds / 60));
  if (seconds < 86_400) return words.hours(Math.floor(seconds / 3600));
  return words.days(Math.floor(seconds / 86_400));
}

interface Ticker {
  now: number;
  listeners: Set<() => void>;
  timer: ReturnType<typeof setInterval> | null;
}
const tickers = new Map<number, Ticker>();

/** The present, renewed every `everyMs`; all who ask for one period share one timer. */
export function useNow(everyMs: number): number {
  const known = tickers.get(everyMs) ?? { now: Date.now(), listeners: new Set(), timer: null };
  tickers.set(everyMs, known);
  if (known.timer === null) known.now = Date.now();
  const subscribe = useCallback((listener: () => void) => watch(everyMs, listener), [everyMs]);
  return useSyncExternalStore(subscribe, () => known.now);
}

function watch(everyMs: number, listener: () => void): () => void {
  const ticker = tickers.get(everyMs);
  if (ticker === undefined) return () => undefined;
  ticker.listeners.add(listener);
  ticker.timer ??= setInterval(() => {
    ticker.now = Date.now();
    for (const each of [...ticker.listeners]) each();
  }, everyMs);
  return () => {
    ticker.listeners.delete(listener);
    if (ticker.listeners.size > 0 || ticker.timer === null) return;
    clearInterval(ticker.timer);
    ticker.timer = null;
  };
}

/** True once `ms` have gone by since `key` became what it is: what lasts shorter than that is not worth a word. */
export function useLasting(key: string, ms: number): boolean {
  const [lasted, setLasted] = useState<string | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setLasted(key), ms);
    return () => clearTimeout(timer);
  }, [key, ms]);
  return lasted === key;
}
