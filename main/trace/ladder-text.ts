/** A ladder as text: a column for each lane, an arrow and a sentence for each row. */
import { lanesOf, type Row } from './ladder';

export interface TextOptions {
  /** False: leave out the times, so that two runs of the same story give the same text. */
  times?: boolean;
  /** False: leave out messages that only keep the protocol going. */
  minor?: boolean;
}

/** The narrowest column of a lane, characters. */
const LANE_WIDTH = 9;

export function ladderText(rows: readonly Row[], { times = true, minor = true }: TextOptions = {}): string {
  const shown = minor ? rows : rows.filter(({ isMinor }) => !isMinor);
  const lanes = lanesOf(shown);
  const width = Math.max(LANE_WIDTH, ...lanes.map((lane) => lane.length + 2));
  const begin = shown[0]?.at ?? 0;
  const head = `${times ? ' '.repeat(10) : ''}${lanes.map((lane) => lane.padEnd(width)).join('')}`.trimEnd();
  const lines = shown.map((row) => {
    const time = times ? `${((row.at - begin) / 1000).toFixed(3).padStart(9)} ` : '';
    return `${time}${drawn(row, lanes, width)}${sentence(row)}`;
  });
  return [head, ...lines].join('\n');
}

/** `|` at each lane, dashes from sender to receiver, `=` for MSRP, `x` when the message was lost. */
function drawn({ from, to, protocol, seen }: Row, lanes: readonly string[], width: number): string {
  const cells = [...lanes.map(() => `|${' '.repeat(width - 1)}`).join('')];
  const [start, end] = [lanes.indexOf(from) * width, lanes.indexOf(to) * width];
  const step = start < end ? 1 : -1;
  for (let place = start + step; place !== end && start !== end; place += step) cells[place] = protocol === 'sip' ? '-' : '=';
  if (start !== end) cells[end - step] = seen === 'lost' ? 'x' : step > 0 ? '>' : '<';
  return cells.join('');
}

function sentence({ text, packet, count, seen, protocol }: Row): string {
  const often = count > 1 ? `  (sent ${count} times)` : '';
  const lost = seen === 'lost' ? '  (not received)' : '';
  // An MSRP start line contains only a random number and what the words already say.
  return protocol === 'sip' ? `${text}${often}${lost}  [${packet}]` : `${text}${often}${lost}`;
}
