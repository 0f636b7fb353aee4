/** How a role of the network writes its log. */
export type NetworkLog = (level: 'debug' | 'info' | 'warn' | 'error', text: string, fields?: Record<string, unknown>) => void;
