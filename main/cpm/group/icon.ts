/** Which pictures a group may have here: what is chosen on this device, and what a focus tells, are looked at in the same way before anybody draws them. */
import { AppError } from '../../../preload/contract/errors';
import { encodeGroupIcon, parseGroupIcon } from '../../../protocol/group-icon';
import { pictureSize } from '../../../protocol/picture-size';

/** LAB: points of a group's picture along its longer side; what is chosen here is made 128 x 128. */
export const maxIconPoints = 1024;

/**
 * The same picture in the one way in which it is written, kept and compared.
 * @throws AppError `group/bad-icon`; `status` 400 malformed, 413 too large, 415 another kind than PNG, JPEG and WebP
 */
export function readableIcon(uri: string): string {
  const icon = parseGroupIcon(uri);
  if (!icon.ok) throw badIcon(icon.code);
  const size = pictureSize(icon.value.bytes);
  if (size === null || Math.min(size.width, size.height) < 1) throw badIcon(400);
  if (Math.max(size.width, size.height) > maxIconPoints) throw badIcon(413);
  return encodeGroupIcon(icon.value);
}

const badIcon = (status: number) => new AppError('group/bad-icon', { status }, 'user');
