/** The name a person gives to this device. It goes into the registration (R24) and is shown to the people one writes with. */
import { shownName } from '../../protocol/shown-name';

/** The longest device name, in Unicode code points. */
export const maxDeviceNameLength = 64;

/** A device name as it is stored and sent. Empty is allowed: the person may leave the device without a name (R23). */
export function cleanDeviceName(text: string): string {
  return shownName(text, maxDeviceNameLength);
}
