/** What becomes of a file that somebody has chosen as the picture of a group: a square of few points, small enough for every member's network. */

/** Points of the square; twice what is drawn, for screens of double density. */
const iconPoints = 128;
/** What a group takes (`group-icon.ts` of the protocol). */
const maxIconBytes = 24 * 1024;
/** The largest file that is opened at all. */
export const maxPictureBytes = 20 * 1024 * 1024;
/** What may be chosen. */
export const pictureTypes = 'image/png,image/jpeg';
/** JPEG qualities, tried in turn until one is small enough; nothing of 128 x 128 points is larger with the last. */
const qualities = [0.9, 0.75, 0.5, 0.2];

/** A data URI; or what is wrong with the file. */
export async function iconOf(file: File): Promise<{ ok: true; icon: string } | { ok: false; problem: 'tooLarge' | 'unreadable' }> {
  if (file.size > maxPictureBytes) return { ok: false, problem: 'tooLarge' };
  if (!pictureTypes.split(',').includes(file.type)) return { ok: false, problem: 'unreadable' };
  try {
    const picture = await createImageBitmap(file);
    const blob = await smallEnough(square(picture), file.type === 'image/png');
    picture.close();
    return blob === null ? { ok: false, problem: 'tooLarge' } : { ok: true, icon: await uriOf(blob) };
  } catch {
    return { ok: false, problem: 'unreadable' };
  }
}

/** The middle of it, to the edge of the shorter side. */
function square(picture: ImageBitmap): OffscreenCanvas {
  const canvas = new OffscreenCanvas(iconPoints, iconPoints);
  const pen = canvas.getContext('2d');
  if (pen === null) throw new Error('there is nothing to draw on');
  const side = Math.min(picture.width, picture.height);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side, 0, 0, iconPoints, iconPoints);
  return canvas;
}

/** PNG where it is one and fits, for it may be transparent. */
async function smallEnough(canvas: OffscreenCanvas, isPng: boolean): Promise<Blob | null> {
  const kinds = [...(isPng ? [{ type: 'image/png' }] : []), ...qualities.map((quality) => ({ type: 'image/jpeg', quality }))];
  for (const kind of kinds) {
    const blob = await canvas.convertToBlob(kind);
    if (blob.size <= maxIconBytes) return blob;
  }
  return null;
}

function uriOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
