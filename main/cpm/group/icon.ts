/** Which pictures a group may have. A picture chosen on this device and one that a focus sends pass the same check before they are drawn. */
import { AppError } from '../../../preload/contract/errors';
import { encodeGroupIcon, parseGroupIcon } from '../../../protocol/group-icon';
import { pictureSize } from '../../../protocol/picture-size';

/** LAB: pixels of a group's picture along its longer side. A picture that is chosen here is scaled to 128 x 128. */
export const maxIconPoints = 1024;

/**
 * The picture in its canonical form, in which it is sent, kept and compared.
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
