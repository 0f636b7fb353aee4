/** Every target. */
import type { Target } from '../engine/target';
import * as addresses from './addresses';
import * as bodies from './bodies';
import * as documents from './documents';
import * as files from './files';
import * as msrp from './msrp';
import * as own from './own';
import * as sip from './sip';
import * as sockets from './sockets';

const { msrp: msrpParser } = msrp;
const { sipMessage, sipStream, sipValues } = sip;

export const targets: readonly Target[] = [
  ...[sipMessage, sipStream, sipValues, msrpParser],
  ...Object.values(addresses),
  ...Object.values(bodies),
  ...Object.values(documents),
  ...Object.values(files),
  ...Object.values(own),
  ...[sockets.sipSocketTcp, sockets.sipSocketWs, sockets.msrpSwitch, sockets.msrpRelay],
];
