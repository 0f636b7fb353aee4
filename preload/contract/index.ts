/**
 * THE contract between the client and its drivers: the renderer over Electron IPC, a script over NDJSON.
 * Pure types and name lists. Values are plain data: addresses are URI strings, times are epoch milliseconds.
 *
 * To stay up to date a driver subscribes, takes a `snapshot`, then applies every event whose `revision` is higher than the snapshot's.
 * Events carry whole values, never patches, so applying one twice does no harm.
 */
export * from './bridge';
export type * from './calls';
export type { ErrorCode, ErrorValue, RefusalMeaning, RelayTrouble, Result } from './errors';
export type * from './events';
export type { MediaTls, SignInOptions } from './sign-in-options';
export type * from './values';
