/** The runtime that shows this window, and about how old it is: one that is old has holes that are publicly known. */

/** Chromium 130 came out on 15 October 2024; since Chromium 100 a version has come out every 31 days on average. */
const anchor = { major: 130, at: Date.UTC(2024, 9, 15), everyMs: 31 * 86_400_000 };
const monthMs = 30.4 * 86_400_000;
/** Electron mends its three latest versions, which come out every eight weeks. */
const mendedMonths = 6;

export interface Runtime {
  electron: string;
  chromium: string;
  /** Since its version of Chromium came out, about. */
  months: number;
  /** It may still get security fixes. */
  isMended: boolean;
}

/** Null where the window is not Electron's. `now`: epoch milliseconds. */
export function runtimeOf(userAgent: string, now: number): Runtime | null {
  const electron = /\bElectron\/(\d[\w.-]*)/.exec(userAgent)?.[1];
  const chromium = /\bChrome\/((\d+)[\d.]*)/.exec(userAgent);
  if (electron === undefined || chromium === null) return null;
  const releasedAt = anchor.at + (Number(chromium[2]) - anchor.major) * anchor.everyMs;
  const months = Math.max(0, Math.round((now - releasedAt) / monthMs));
  return { electron, chromium: chromium[1] ?? '', months, isMended: months <= mendedMonths };
}
