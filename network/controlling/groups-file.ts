/**
 * The groups file: one JSON document, written by a person, with the operator's pre-defined groups (OMA CPM) by their addresses. A file that
 * cannot be used is refused with the line and the reason. docs/GROUPS.md describes its contents.
 */

import { JsonReader, readOperatorFile } from '../../base/json-reader';
import { MAX_SUBJECT_CHARACTERS } from '../../protocol/group-data';
import { addressKey, correspondentKey } from '../../protocol/uri';
import type { PredefinedGroup } from './predefined';

/** LAB: groups of one file. */
export const MAX_PREDEFINED_GROUPS = 500;

export interface GroupsFileOptions {
  /** The host of every group's address: that of the Controlling Function. */
  host: string;
  /** The most people of one group. */
  maxParticipants: number;
}

/** @throws OperatorFileError */
export function readGroupsFile(file: string, options: GroupsFileOptions): PredefinedGroup[] {
  return readOperatorFile(file, (text) => parseGroups(text, options));
}

/** @throws OperatorFileError `line 3: …` */
export function parseGroups(text: string, options: GroupsFileOptions): PredefinedGroup[] {
  const read = new JsonReader(text, 'the document');
  const entries = Object.entries(read.object(read.root, [], null));
  if (entries.length > MAX_PREDEFINED_GROUPS) throw read.fault([], `at most ${MAX_PREDEFINED_GROUPS} groups`);
  const groups = entries.map(([address, value]) => groupOf(read, address, value, options));
  const twice = groups.find(({ focus }, index) => groups.findIndex((other) => other.focus === focus) !== index);
  if (twice !== undefined) throw read.fault([], `${twice.focus} is the address of two groups`);
  return groups;
}

function groupOf(read: JsonReader, address: string, value: unknown, { host, maxParticipants }: GroupsFileOptions): PredefinedGroup {
  const focus = addressKey(address);
  if (focus === null || !focus.startsWith('sip:') || focus.split('@')[1] !== host)
    throw read.fault([address], `"${address}" is no address of ${host}, such as sip:team@${host}`);
  const { subject, type, members, administrators } = read.object(value, [address], ['subject', 'type', 'members', 'administrators']);
  const people = peopleOf(read, members, [address, 'members']);
  if (people.length < 2) throw read.fault([address], 'a group has two "members" at least');
  if (people.length > maxParticipants) throw read.fault([address, 'members'], `a group has at most ${maxParticipants} "members"`);
  const leading = peopleOf(read, administrators, [address, 'administrators']);
  const stranger = leading.find((one) => !people.includes(one));
  if (stranger !== undefined) throw read.fault([address, 'administrators'], `${stranger} is not among the "members"`);
  return {
    focus,
    subject: read.line(subject, [address, 'subject'], MAX_SUBJECT_CHARACTERS) ?? null,
    type: read.oneOf(type, [address, 'type'], ['open', 'closed'] as const) ?? 'open',
    members: people,
    administrators: leading,
  };
}

/** Comparable addresses, none twice. */
function peopleOf(read: JsonReader, value: unknown, path: readonly string[]): string[] {
  const people = read.list(value, path).map((one) => {
    const key = typeof one === 'string' ? correspondentKey(one) : null;
    if (key === null) throw read.fault([...path, String(one)], `"${path.at(-1)}" takes addresses such as sip:bob@lab.test`);
    return key;
  });
  return [...new Set(people)];
}
