/** Text from elsewhere inside our own. */

/** Letters that run from right to left (UAX #9, R and AL): Hebrew, Arabic and the scripts beside them. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** A name that somebody else has chosen, so that its direction turns nothing around it, in a sentence, a title or a label (UAX #9, FSI and PDI). */
export const isolated = (name: string): string => (RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);
