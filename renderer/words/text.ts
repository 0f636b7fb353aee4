/** Every sentence a person reads, but those of errors (`words/errors.ts`). Sentence case, short, no protocol words on the chat side, never blame. */
import { chatWords } from './chat';
import { counted } from './counted';
import { pairWords } from './own-devices';
import { pageWords } from './pages';

const list = new Intl.ListFormat('en', { style: 'long', type: 'conjunction' });

/** "Bob", "Bob and Carol", "Bob, Carol and Dave". */
export const names = (all: readonly string[]): string => list.format(all).replace(/, and /, ' and ');

export const words = {
  product: 'Chorus',
  pair: pairWords,
  windowTitle: (name: string, device: string, unread: number) =>
    `${unread > 0 ? `(${unread}) ` : ''}${name === '' ? '' : `${name} on ${device} - `}Chorus`,
  today: 'Today',
  yesterday: 'Yesterday',
  dayAt: (day: string, time: string) => `${day} at ${time}`,
  seconds: (n: number) => `${n} s`,
  minutes: (n: number) => `${n} min`,
  hours: (n: number) => `${n} h`,
  days: (n: number) => counted(n, 'day', 'days'),
  possessive: (who: string, what: string) => `${who}’s ${what}`,
  you: 'You',
  youSmall: 'you',
  nobody: 'No one',
  emptyGroup: 'Empty group',
  close: 'Close',
  cancel: 'Cancel',
  save: 'Save',
  back: 'Back to chats',
  copy: (what: string) => `Copy ${what}`,
  copied: 'Copied',
  loading: 'Loading',
  details: 'Details',
  networkAnswer: (answer: string) => `Answer from the network: ${answer}`,

  places: { chats: 'Chats', devices: 'Devices', settings: 'Settings' },
  main: 'Main',

  dismiss: 'Hide this notice',

  ...chatWords,
  ...pageWords,
} as const;

/** What a device supports, as a list that begins with a capital letter. */
export function capabilityWords(capabilities: readonly string[]): string {
  const known = capabilities.map((capability) => words.capability[capability] ?? capability);
  const all = [...new Set(known)].join(', ');
  return all === '' ? words.devices.nothing : all.charAt(0).toUpperCase() + all.slice(1);
}
