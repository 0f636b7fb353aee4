export interface Requirement {
  id: string;
  level: string;
  who: string;
  what: string;
  status: string;
  judges: string[];
  missing: string;
  remark: string;
}
export interface Title {
  file: string;
  words: string;
  ids: string[];
  runs: boolean;
}
export interface Peers {
  tests: string;
  peers: string[];
}
export const statuses: readonly string[];
export const peers: readonly string[];
export function readRequirements(text: string): Requirement[];
export function readPeers(text: string): Peers[];
export function titlesOf(file: string, source: string): Title[];
export function peersOf(title: Title, all: readonly Peers[]): string[];
export function faultsOf(requirements: readonly Requirement[], titles: readonly Title[], allPeers: readonly Peers[]): string[];
export function documentOf(requirements: readonly Requirement[], titles: readonly Title[], allPeers: readonly Peers[]): string;
export function conformance(root: string): { requirements: Requirement[]; titles: Title[]; faults: string[]; document: string };
