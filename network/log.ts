/** Where a role of the network tells what it did. */
export type NetworkLog = (level: 'debug' | 'info' | 'warn' | 'error', text: string, fields?: Record<string, unknown>) => void;
