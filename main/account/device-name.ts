/** The name a person gives to this device. It goes into the registration (R24) and is shown to the people one writes with. */

/** The longest device name, in Unicode code points. */
export const maxDeviceNameLength = 64;

/**
 * A device name as it is stored and sent: one line, no control characters, trimmed, at most `maxDeviceNameLength` code points.
 * Empty is allowed: the person may leave the device without a name (R23).
 */
export function cleanDeviceName(text: string): string {
  const oneLine = text
    .replace(/\p{Cc}|\p{Zl}|\p{Zp}/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
  return [...oneLine].slice(0, maxDeviceNameLength).join('').trim();
}
